/* mpi_job.h: jobs that a test starts, and what they said. */
#ifndef MPI_JOB_H
#define MPI_JOB_H

#include "suite.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* A job's output, on stdout and stderr, and what became of it. */
struct job {
    char output[1 << 14];
    int status; /* of exit; -1: it did not exit */
};

static inline UNUSED const struct job *job_run(const char *command)
{
    static struct job job;
    char line[512];
    snprintf(line, sizeof line, "%s 2>&1", command);
    FILE *pipe = popen(line, "r");
    ck_assert_ptr_nonnull(pipe);
    size_t length = fread(job.output, 1, sizeof job.output - 1, pipe);
    job.output[length] = '\0';
    int status = pclose(pipe);
    job.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return &job;
}

/* A program of the tests on so many ranks, with a word that says what it does. */
static inline UNUSED const struct job *job_on(int ranks, const char *program, const char *word)
{
    char command[256];
    snprintf(command, sizeof command, "./mpi-run %d ./mpi/%s %s", ranks, program, word);
    return job_run(command);
}

/* False when the launcher says that the job ended well. MPICH 4.2's may say so when a rank has
 * ended the job (of a program without Parcel in 2 of 12 jobs): nothing is asked of it. */
static inline UNUSED bool job_has_failed(const struct job *job)
{
    const char *mpi = getenv("MPI");
    return job->status != 0 || (mpi && strstr(mpi, "MPICH") && strstr(mpi, "4.2."));
}

/* Fails when the job ended badly or a text is not in its output. The last is NULL. */
#define ck_says(job, ...) \
    suite_says(__FILE__, __LINE__, job, (const char *const[]){__VA_ARGS__, NULL})

static inline UNUSED void suite_says(const char *file, int line, const struct job *job,
                                     const char *const *texts)
{
    ck_assert_msg(job->status == 0, "%s:%d: exit status %d: %s", file, line, job->status,
                  job->output);
    for (; *texts; texts++)
        suite_contains(file, line, job->output, *texts);
}

#endif
