/*
 * compare.c: what Parcel costs, each figure beside its peers, in one table.
 *
 *     ./compare [quick] [-o FILE] [QUESTION...]
 *
 * quick takes fewer rounds and fewer calls. -o writes the figures as a csv file too. Without a
 * question all are asked, which takes a quarter of an hour (quick: under four minutes).
 *
 * OpenMP, Parcel and the peers for C and C++ run in this process, on 2 threads: Parcel shares the
 * OpenMP team with the loops, and so is compared with them under the same conditions. Python's
 * peers run in a process of their own. How it is measured: harness.h.
 */
#include <string.h>

#include "python.h"
#include "questions.h"
#include "report.h"

static const struct {
    const char *name;
    void (*ask)(struct bench *bench);
} questions[] = {
    {"build", question_build},
    {"call", question_call},
    {"run", question_run},
    {"allocations", question_allocations},
    {"grain", question_grain},
    {"shapes", question_shapes},
    {"busy", question_busy},
    {"workers", question_workers},
    {"recording", question_recording},
    {"schedules", question_schedules},
    {"cold", question_cold},
    {"stream", question_stream},
    {"reading", question_reading},
    {"processes", question_processes},
    {"mpi", question_mpi},
    {"python", question_python},
    {"memory", question_memory},
};

enum { N_QUESTIONS = sizeof questions / sizeof *questions };

struct command_line {
    bool is_quick;
    const char *csv_path;
    bool is_asked[N_QUESTIONS];
};

static size_t find_question(const char *name)
{
    size_t i = 0;
    while (i < N_QUESTIONS && strcmp(questions[i].name, name) != 0)
        i++;
    return i;
}

static void ask_all(struct command_line *line)
{
    for (size_t i = 0; i < N_QUESTIONS; i++)
        line->is_asked[i] = true;
}

/* False: a word is unknown. */
static bool read_command_line(struct command_line *line, char **words)
{
    bool is_any_asked = false;
    for (; *words; words++) {
        if (strcmp(*words, "quick") == 0) {
            line->is_quick = true;
        } else if (strcmp(*words, "-o") == 0 && words[1]) {
            line->csv_path = *++words;
        } else {
            size_t question = find_question(*words);
            if (question == N_QUESTIONS)
                return false;
            line->is_asked[question] = is_any_asked = true;
        }
    }
    if (!is_any_asked)
        ask_all(line);
    return true;
}

static int print_usage(const char *program)
{
    fprintf(stderr, "usage: %s [quick] [-o FILE] [QUESTION...]\nquestions:", program);
    for (size_t i = 0; i < N_QUESTIONS; i++)
        fprintf(stderr, " %s", questions[i].name);
    fputc('\n', stderr);
    return 2;
}

static void ask(const struct command_line *line)
{
    struct bench bench = {.is_quick = line->is_quick,
                          .rounds = line->is_quick ? 5 : 9,
                          .patience = line->is_quick ? 4 : 60,
                          .start = bench_now()};
    bench_open_report(&bench, line->csv_path);
    for (size_t i = 0; i < N_QUESTIONS; i++) {
        if (!line->is_asked[i])
            continue;
        bench.question = questions[i].name;
        questions[i].ask(&bench);
    }
    bench_close_report(&bench);
    stop_python();
}

int main(int argc, char **argv)
{
    struct command_line line = {0};
    if (argc == 2 && strcmp(argv[1], PEAK_OPTION) == 0)
        return print_peak();
    if (!read_command_line(&line, argv + 1))
        return print_usage(argv[0]);
    ask(&line);
    return 0;
}
