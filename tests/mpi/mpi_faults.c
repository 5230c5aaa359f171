/* mpi_faults.c: what ends a job, or leaves some of its ranks alone, each time in a job of its own.
 */
#include "mpi_job.h"

static const struct job *run_on(int ranks, const char *word)
{
    return job_on(ranks, "mpi_faults_program", word);
}

/* Fails when the job ended well, or only when mpi-run's time was over. */
static void check_ended_badly(const struct job *job)
{
    enum { TIME_IS_OVER = 124 };
    ck_assert(job_has_failed(job));
    ck_assert_msg(job->status != TIME_IS_OVER, "%s", job->output);
}

START_TEST(a_job_without_faults_runs)
{
    ck_says(run_on(2, "well"), "rank 0: all is well", "rank 1: all is well");
}
END_TEST

START_TEST(without_init_a_run_says_what_to_call)
{
    const struct job *job = run_on(1, "no-init");
    ck_says(job, "rank 0: ", "parcel_mpi_init", "lparcel_mpi");
}
END_TEST

START_TEST(at_a_low_level_runs_say_what_init_said)
{
    const struct job *job = run_on(2, "low-level");
    ck_says(job, "init: parcel_mpi_init: MPI was initialised at MPI_THREAD_SINGLE",
            "rank 0: backend 'mpi' is not available: parcel_mpi_init: MPI was initialised at "
            "MPI_THREAD_SINGLE");
}
END_TEST

START_TEST(the_users_own_finalize_ends_in_order)
{
    ck_says(run_on(3, "finalize"), "rank 0: all is well", "rank 1: all is well",
            "rank 2: all is well");
}
END_TEST

START_TEST(ranks_serve_until_rank_0_exits)
{
    ck_says(run_on(1, "serve"), "rank 0: all is well");
    ck_says(run_on(3, "serve"), "rank 0: all is well", "rank 1 served: all is well",
            "rank 2 served: all is well");
}
END_TEST

START_TEST(a_call_that_exits_ends_the_job_with_a_sentence)
{
    const struct job *job = run_on(2, "exit");
    check_ended_badly(job);
    ck_contains(job->output, "parcel: rank ");
    ck_contains(job->output, ": exit was called in call 50 while a run went on: this ends the job");
}
END_TEST

START_TEST(a_call_that_exits_in_a_worker_costs_its_record)
{
    ck_says(run_on(2, "exit-isolated"),
            "rank 0: 1 of 100 calls failed; first: call 50, exit_at(50): worker exited",
            "rank 1: 1 of 100 calls failed; first: call 50, exit_at(50): worker exited");
}
END_TEST

START_TEST(a_rank_that_dies_ends_the_job)
{
    check_ended_badly(run_on(2, "die"));
    check_ended_badly(run_on(2, "sigterm"));
}
END_TEST

START_TEST(ranks_that_miss_a_run_are_named)
{
    ck_says(run_on(3, "miss-last"), "rank 0: all is well", "rank 1: all is well",
            "rank 2: all is well");
    ck_contains(run_on(3, "miss-last")->output, "rank 0: rank 2 ");
    ck_contains(run_on(3, "miss-0")->output, "rank 1: rank 0 ");
}
END_TEST

/* Rank 0's first run meets the others' second, which is another; its second meets nobody. */
START_TEST(ranks_out_of_step_are_told)
{
    const struct job *job = run_on(2, "out-of-step");
    ck_says(job, "rank 0: ", "rank 1: ");
    ck_assert_msg(!strstr(job->output, "rank 0: all is well"), "%s", job->output);
}
END_TEST

START_TEST(more_workers_than_cpus_are_warned_of)
{
    ck_contains(job_run("taskset -c 0 ./mpi-run 2 ./mpi/mpi_faults_program cpus")->output,
                "rank 0 warns: ");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mpi_faults");
    TCase *tests = suite_case(suite, "faults");
    tcase_add_test(tests, a_job_without_faults_runs);
    tcase_add_test(tests, without_init_a_run_says_what_to_call);
    tcase_add_test(tests, at_a_low_level_runs_say_what_init_said);
    tcase_add_test(tests, the_users_own_finalize_ends_in_order);
    tcase_add_test(tests, ranks_serve_until_rank_0_exits);
    tcase_add_test(tests, a_call_that_exits_ends_the_job_with_a_sentence);
    tcase_add_test(tests, a_call_that_exits_in_a_worker_costs_its_record);
    tcase_add_test(tests, a_rank_that_dies_ends_the_job);
    tcase_add_test(tests, ranks_that_miss_a_run_are_named);
    tcase_add_test(tests, ranks_out_of_step_are_told);
    tcase_add_test(tests, more_workers_than_cpus_are_warned_of);
    return suite_run(suite);
}
