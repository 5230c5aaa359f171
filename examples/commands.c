/*
 * commands.c: programs as calls. Each line is run by the shell, some at the same time, and its exit
 * status is the result; a program that fails is not the end of the others.
 */
#include <parcel.h>
#include <stdlib.h>
#include <sys/wait.h>

/* A status other than 0 is a failure, so that .retries and .halt know of it. */
static int run(const char *command)
{
    int status = system(command);
    if (status == -1)
        parcel_fail("no process could be made");
    else if (WIFSIGNALED(status))
        parcel_fail("killed by signal %d", WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        parcel_fail("exit status %d", WEXITSTATUS(status));
    return status;
}
DELAYED(int, run, const char *);

int main(void)
{
    static const char *const commands[] = {"test -d /", "exit 3", "kill -9 $$", "sleep 0.1"};
    enum { N = sizeof commands / sizeof *commands };
    parcel_results *results = Parallel(.n_jobs = 2, .timeout = 60,
                                       .on_error = PARCEL_COLLECT)(parcel_map(run, commands, N));
    for (size_t i = 0; i < N; i++) {
        const char *message = parcel_results_message(results, i);
        printf("%-10s %s\n", commands[i], message ? message : "ok");
    }
    parcel_results_free(results);
    return 0;
}
