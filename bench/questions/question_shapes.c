/*
 * question_shapes.c: how well calls of unequal lengths are spread, on two idle cpus and while
 * another process takes one of them.
 */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contest.h"
#include "costs.h"
#include "questions.h"

static size_t n_calls(const struct bench *bench)
{
    return bench->is_quick ? 2000 : 20000;
}

/* ---- idle cpus ---- */

void question_shapes(struct bench *bench)
{
    size_t count = n_calls(bench);
    struct pair *pairs = new_pairs(count);
    contest_heading("Unequal calls, 10 us in the mean: efficiency on 2 workers", "shape", NULL);
    for (int shape = 0; shape < N_SHAPES; shape++) {
        struct contest contest;
        fill_shape((enum shape)shape, pairs, count);
        new_contest(&contest, pairs, count);
        ask_contest(bench, shape_names[shape], &contest, 0.98);
        free_contest(&contest);
    }
    free(pairs);
}

/* ---- a busy cpu ---- */

/* The first cpu that this process may use. */
static size_t first_cpu(void)
{
    cpu_set_t cpus;
    size_t cpu = 0;
    bench_require(sched_getaffinity(0, sizeof cpus, &cpus) == 0, "no cpus are known");
    while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &cpus))
        cpu++;
    return cpu;
}

/* Starts a process that takes a cpu until it is ended, at the latest when this one ends. */
static pid_t start_hog(void)
{
    pid_t parent = getpid(), hog = fork();
    bench_require(hog >= 0, "no process can be started");
    if (hog > 0)
        return hog;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first_cpu(), &one);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (sched_setaffinity(0, sizeof one, &one) != 0 || getppid() != parent)
        _exit(1);
    for (;;)
        __asm__ volatile("");
}

static void stop_hog(pid_t hog)
{
    kill(hog, SIGKILL);
    waitpid(hog, NULL, 0);
}

void question_busy(struct bench *bench)
{
    static const char *const names[] = {"omp static",  "omp guided",  "omp dynamic 1",
                                        "oneTBB auto", "pthreadpool", NULL};
    size_t count = n_calls(bench);
    struct pair *pairs = new_pairs(count);
    contest_heading("The same with another process busy on one cpu: speed beside the best", "shape",
                    names);
    pid_t hog = start_hog();
    bench->is_crowded = true;
    for (int shape = 0; shape < N_SHAPES; shape++) {
        struct contest contest;
        fill_shape((enum shape)shape, pairs, count);
        new_contest(&contest, pairs, count);
        keep_peers(&contest, names);
        ask_against_best(bench, shape_names[shape], &contest);
        free_contest(&contest);
    }
    bench->is_crowded = false;
    stop_hog(hog);
    free(pairs);
}
