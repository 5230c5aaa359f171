/*
 * python.c: the Python process.
 *
 * It starts when it is first asked, reads a line for each measurement and answers with one.
 */
#include "python.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const struct {
    const char *name, *column, *word; /* what peers.py calls it */
} peers[N_PYTHON_PEERS] = {
    [JOBLIB_THREADING] = {"joblib threading", "threading", "threading"},
    [JOBLIB_LOKY] = {"joblib loky", "loky", "loky"},
    [POOL_MAP] = {"multiprocessing map", "pool", "map"},
    [POOL_MAP_BY_ONE] = {"multiprocessing map 1", "pool-1", "map1"},
    [JOBLIB_LOKY_COLD] = {"joblib loky, cold", "loky-cold", "loky-cold"},
    [POOL_MAP_COLD] = {"multiprocessing map, cold", "pool-cold", "map-cold"},
};

static struct {
    bool is_started;
    pid_t pid; /* 0: it could not be started */
    FILE *requests, *answers;
} python;

/* ---- the process ---- */

/* Starts it with these two ends of pipes as its standard input and output. */
static pid_t spawn(int input, int output)
{
    static char program[] = PYTHON, option[] = "-c", text[] = "import peers; peers.serve()";
    char *const arguments[] = {program, option, text, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    setenv("PYTHONPATH", BENCH_SOURCES, 1); /* so that its workers can import peers too */
    setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
    setenv("BENCH_FUNCTIONS", BENCH_FUNCTIONS, 1);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (posix_spawnp(&pid, program, &actions, NULL, arguments, environ) != 0)
        pid = 0;
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static void start_python(void)
{
    int requests[2], answers[2];
    python.is_started = true;
    signal(SIGPIPE, SIG_IGN); /* a process that ended is found by its missing answer */
    bench_require(pipe2(requests, O_CLOEXEC) == 0 && pipe2(answers, O_CLOEXEC) == 0, "no pipe");
    python.pid = spawn(requests[0], answers[1]);
    close(requests[0]);
    close(answers[1]);
    python.requests = fdopen(requests[1], "w");
    python.answers = fdopen(answers[0], "r");
    bench_require(python.requests && python.answers, "out of memory");
}

/* Sends a line; false: there is no answer. */
static bool request(char *answer, size_t size, const struct python_run *run)
{
    if (!python.is_started)
        start_python();
    if (python.pid == 0)
        return false;
    fprintf(python.requests, "%s %s %d %d\n", peers[run->peer].word, run->function, run->count,
            run->steps);
    if (fflush(python.requests) != 0 || !fgets(answer, (int)size, python.answers))
        return false;
    answer[strcspn(answer, "\n")] = '\0';
    return true;
}

void stop_python(void)
{
    if (!python.is_started)
        return;
    fclose(python.requests); /* it ends with its input */
    fclose(python.answers);
    if (python.pid != 0)
        waitpid(python.pid, NULL, 0);
    memset(&python, 0, sizeof python);
}

/* ---- the peers ---- */

/* The processes are Python's own, and sleep unless they are asked. */
static const struct bench_team team_python = {NULL};

/* Whether a peer is there: what it says when it has nothing to run. */
static bool is_there(enum python_peer peer, char *answer, size_t size)
{
    struct python_run nothing = {peer, "empty", 0, 0};
    if (!request(answer, size, &nothing)) {
        snprintf(answer, size, "missing: python3 (Debian: python3)");
        return false;
    }
    return strncmp(answer, "missing", strlen("missing")) != 0;
}

bool has_python(void)
{
    char answer[256];
    return is_there(POOL_MAP, answer, sizeof answer);
}

static double measure_python(void *state)
{
    char answer[256], *end;
    bench_require(request(answer, sizeof answer, state), "Python has ended");
    double seconds = strtod(answer, &end);
    bench_require(end != answer && *end == '\0', answer);
    return seconds;
}

size_t python_contenders(struct bench_contender *contenders, struct python_run *runs,
                         const struct python_runs *wanted)
{
    char answer[256];
    size_t n = 0;
    for (int i = (int)wanted->first.peer; i <= (int)wanted->last; i++) {
        if (!is_there((enum python_peer)i, answer, sizeof answer))
            continue;
        runs[n] = wanted->first;
        runs[n].peer = (enum python_peer)i;
        contenders[n] = (struct bench_contender){.name = peers[i].name,
                                                 .column = peers[i].column,
                                                 .measure = measure_python,
                                                 .state = &runs[n],
                                                 .team = &team_python};
        n++;
    }
    return n;
}

void put_python(FILE *file, const char *prefix)
{
    char last[256] = "", answer[256];
    for (int i = 0; i <= POOL_MAP; i++) { /* the others need the same */
        is_there((enum python_peer)i, answer, sizeof answer);
        if (strcmp(answer, last) != 0)
            fprintf(file, "%s%s\n", prefix, answer);
        memcpy(last, answer, sizeof last);
    }
}
