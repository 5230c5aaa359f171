/* mpi_ends.c: how the use of MPI begins and ends, each time in a job of its own. */
#include "mpi_job.h"

static const struct job *run_on(int ranks, const char *word)
{
    return job_on(ranks, "mpi_program", word);
}

/* Fails when the job ended well, or had to be ended by mpi-run, or does not say why it ended. */
static void ck_ends(const struct job *job, const char *why)
{
    ck_assert_msg(job_has_failed(job) && job->status >= 0 && job->status != 124,
                  "exit status %d: %s", job->status, job->output);
    suite_contains(__FILE__, __LINE__, job->output, why);
}

START_TEST(init_finds_the_ranks)
{
    ck_says(run_on(3, "plain"), "0 of 3: fine\n", "1 of 3: fine\n", "2 of 3: fine\n");
}
END_TEST

START_TEST(without_a_launcher_there_is_one_rank)
{
    ck_says(job_run("./mpi/mpi_program plain"), "0 of 1: fine\n");
}
END_TEST

START_TEST(without_init_serve_says_what_to_call)
{
    ck_says(job_run("./mpi/mpi_program none"),
            "0 of 1: parcel_mpi_serve: call parcel_mpi_init first\n", "0 of 1: fine\n");
}
END_TEST

START_TEST(a_second_init_ends_the_first)
{
    ck_says(run_on(3, "twice"), "0 of 3: fine\n", "1 of 3: fine\n", "2 of 3: fine\n",
            "0 of 2: fine\n", "1 of 2: fine\n", "0 of 1: fine\n");
}
END_TEST

START_TEST(no_communicator_is_a_sentence_and_may_be_mended)
{
    const char *sentence = "0 of 1: parcel_mpi_init: the communicator is MPI_COMM_NULL\n";
    const struct job *job = run_on(2, "null");
    ck_says(job, sentence, "0 of 2: fine\n", "1 of 2: fine\n");
    /* init's and serve's, of the two ranks */
    int count = 0;
    for (const char *at = job->output; (at = strstr(at, sentence)); at++)
        count++;
    ck_assert_int_eq(count, 4);
}
END_TEST

START_TEST(an_intercommunicator_is_a_sentence)
{
    ck_says(run_on(2, "two_sides"), "an intercommunicator has two groups of ranks");
}
END_TEST

START_TEST(a_low_level_is_a_sentence)
{
    ck_says(run_on(2, "low"),
            "parcel_mpi_init: MPI was initialised at MPI_THREAD_FUNNELED on rank 0",
            "needs MPI_THREAD_SERIALIZED at least: call MPI_Init_thread",
            "_THREAD_LEVEL=", "or leave MPI_Init out");
}
END_TEST

START_TEST(init_after_finalize_is_a_sentence)
{
    ck_says(run_on(2, "late"), "parcel_mpi_init: MPI was finalised before");
}
END_TEST

START_TEST(runs_say_why_there_are_no_ranks)
{
    ck_says(run_on(2, "low_runs"), "the program has not called parcel_mpi_init",
            "not available: parcel_mpi_init: MPI was initialised at MPI_THREAD_FUNNELED");
}
END_TEST

START_TEST(one_run_follows_another)
{
    ck_says(run_on(2, "runs"), "0 of 2: fine\n", "1 of 2: fine\n");
}
END_TEST

START_TEST(another_build_is_named)
{
    /* By the rank that the launcher tells: mpiexec of Open MPI 5.0.7 crashes with two programs. */
    ck_says(job_run("./mpi-run 3 sh -c '[ ${OMPI_COMM_WORLD_RANK-$PMI_RANK} = 2 ] || "
                    "exec ./mpi/mpi_program plain; exec ./mpi/mpi_other_program plain'"),
            "parcel_mpi_init: rank 2 (", ") runs another build of the program than rank 0");
}
END_TEST

START_TEST(a_programs_own_mpi_stays_its_own)
{
    ck_says(run_on(2, "own"), "0 of 2: fine\n", "1 of 2: fine\n");
}
END_TEST

START_TEST(behind_the_end_ranks_say_what_ended_them)
{
    static const char why[] = "parcel_mpi_finalize was called: no run uses the ranks after that, "
                              "unless parcel_mpi_init is called again";
    char lines[4][512];
    for (int i = 0; i < 4; i++)
        snprintf(lines[i], sizeof lines[i], "%d of 2: %s%s\n", i % 2,
                 i < 2 ? "" : "backend 'mpi' is not available: ", why);
    ck_says(run_on(2, "ended"), lines[0], lines[1], lines[2], lines[3]);
}
END_TEST

/* What the variable is called that raises MPI_Init, its sentence says: then it does. */
START_TEST(mpi_init_is_raised_by_the_variable_that_is_named)
{
    char command[256], *end;
    const struct job *job = run_on(2, "single");
    const char *named = strstr(job->output, "or set ");
    if (!named) /* this MPI always has a high level */
        return;
    snprintf(command, sizeof command, "%s", named + strlen("or set "));
    end = strchr(command, ',');
    ck_assert_ptr_nonnull(end);
    snprintf(end, sizeof command - (size_t)(end - command),
             " ./mpi-run 2 ./mpi/mpi_program single");
    ck_says(job_run(command), "0 of 2: fine\n", "1 of 2: fine\n");
}
END_TEST

START_TEST(a_job_of_one_rank_among_many_of_slurm_is_warned_of)
{
    ck_says(job_run("SLURM_NTASKS=4 ./mpi/mpi_program warnings"),
            "SLURM_NTASKS is 4, and this MPI job has one rank", "--mpi=pmi2");
    ck_says(job_run("SLURM_NTASKS=1 ./mpi/mpi_program warnings"), "0 of 1: fine\n");
    ck_says(job_run("SLURM_NTASKS=2 ./mpi-run 2 ./mpi/mpi_program warnings"), "0 of 2: fine\n");
}
END_TEST

START_TEST(servers_return_when_rank_0_ends)
{
    ck_says(run_on(3, "serve"), "1 of 3: fine\n", "2 of 3: fine\n");
}
END_TEST

START_TEST(the_end_of_a_child_is_not_the_end_of_its_rank)
{
    ck_says(run_on(2, "fork"), "0 of 2: fine\n", "1 of 2: fine\n");
}
END_TEST

START_TEST(init_inside_a_call_is_a_sentence)
{
    ck_says(job_run("./mpi/mpi_program inside"), "parcel_mpi_init was called inside a call");
}
END_TEST

START_TEST(functions_are_registered_before_init)
{
    ck_says(run_on(2, "register"), "0 of 1: fine\n", "0 of 2: fine\n", "1 of 2: fine\n");
}
END_TEST

START_TEST(exit_in_a_call_ends_the_job)
{
    ck_ends(run_on(2, "exit_at_0"), "parcel: rank 0 (");
    ck_ends(run_on(2, "exit_at_1"), "parcel: rank 1 (");
    ck_ends(run_on(2, "exit_at_1"), "): exit was called in call ");
}
END_TEST

START_TEST(mpi_finalize_in_a_call_ends_the_job)
{
    ck_ends(run_on(2, "finalize_in_call"), "MPI_Finalize was called in call ");
}
END_TEST

START_TEST(mpi_abort_ends_the_job_as_ever)
{
    ck_assert_int_eq(run_on(2, "abort")->status, 3);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("mpi_ends");
    TCase *begins = suite_case(suite, "begins");
    tcase_add_test(begins, init_finds_the_ranks);
    tcase_add_test(begins, without_a_launcher_there_is_one_rank);
    tcase_add_test(begins, without_init_serve_says_what_to_call);
    tcase_add_test(begins, a_second_init_ends_the_first);
    tcase_add_test(begins, no_communicator_is_a_sentence_and_may_be_mended);
    tcase_add_test(begins, an_intercommunicator_is_a_sentence);
    tcase_add_test(begins, a_low_level_is_a_sentence);
    tcase_add_test(begins, init_after_finalize_is_a_sentence);
    tcase_add_test(begins, another_build_is_named);
    tcase_add_test(begins, runs_say_why_there_are_no_ranks);
    tcase_add_test(begins, one_run_follows_another);
    tcase_add_test(begins, init_inside_a_call_is_a_sentence);
    tcase_add_test(begins, mpi_init_is_raised_by_the_variable_that_is_named);
    tcase_add_test(begins, a_job_of_one_rank_among_many_of_slurm_is_warned_of);
    tcase_add_test(begins, functions_are_registered_before_init);
    TCase *ends = suite_case(suite, "ends");
    tcase_add_test(ends, a_programs_own_mpi_stays_its_own);
    tcase_add_test(ends, behind_the_end_ranks_say_what_ended_them);
    tcase_add_test(ends, servers_return_when_rank_0_ends);
    tcase_add_test(ends, the_end_of_a_child_is_not_the_end_of_its_rank);
    tcase_add_test(ends, exit_in_a_call_ends_the_job);
    tcase_add_test(ends, mpi_finalize_in_a_call_ends_the_job);
    tcase_add_test(ends, mpi_abort_ends_the_job_as_ever);
    return suite;
}

int main(void)
{
    return suite_run(suite());
}
