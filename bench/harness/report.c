/* report.c: the table, its verdicts, and the csv file. */
#include "report.h"

#include <errno.h>
#include <string.h>

#include "machine.h"

/* What may be lacking to the best peer. */
static const double tolerance = 0.01;

/* ---- the csv file ---- */

/* A line of the csv file; samples are scaled. */
struct record {
    const char *name;
    const struct bench_contender *contender;
    double scale;
    const char *unit;
    double ratio; /* to the baseline or to the best peer; 0: there is none */
    const char *target, *verdict;
};

/* The text as a field, quoted where its commas would be taken for separators. */
static void put_field(FILE *csv, const char *text)
{
    fprintf(csv, strchr(text, ',') ? "\"%s\"," : "%s,", text);
}

static void put_record(const struct bench *bench, const struct record *record)
{
    static const double parts[] = {0.5, 0.25, 0.75};
    if (!bench->csv)
        return;
    put_field(bench->csv, bench->question);
    put_field(bench->csv, record->name);
    put_field(bench->csv, record->contender->name);
    put_field(bench->csv, record->unit);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        fprintf(bench->csv, "%.5g,",
                record->scale * bench_quantile(bench, record->contender, parts[i]));
    if (record->ratio > 0)
        fprintf(bench->csv, "%.4f", record->ratio);
    fprintf(bench->csv, ",%s,%s\n", record->target, record->verdict);
}

/* ---- verdicts ---- */

/* Counts a promise and returns how the table says it. */
static const char *judge(struct bench *bench, bool is_kept, bool is_disturbed)
{
    bench->n_ok += is_kept;
    bench->n_missed += !is_kept;
    if (is_disturbed)
        return is_kept ? "ok (disturbed)" : "MISSED (disturbed)";
    return is_kept ? "ok" : "MISSED";
}

static bool is_kept(const struct bench_row *row, double figure, double ratio)
{
    switch (row->promise) {
    case BENCH_AT_MOST:
        return figure <= row->target;
    case BENCH_AT_LEAST:
        return figure >= row->target;
    default:
        return ratio <= row->target;
    }
}

static const char *judge_row(struct bench *bench, const struct bench_row *row, double figure,
                             double ratio)
{
    if (row->promise == BENCH_NONE)
        return "";
    bool is_disturbed =
        bench_is_disturbed(bench, row->measured) ||
        (row->promise == BENCH_RATIO_AT_MOST && bench_is_disturbed(bench, row->baseline));
    return judge(bench, is_kept(row, figure, ratio), is_disturbed);
}

/* ---- rows ---- */

void bench_heading(const char *question)
{
    printf("\n%s\n%-36s %9s %-10s %5s  %9s  %-24s %6s  %-13s\n", question, "", "measured", "", "+-",
           "baseline", "", "ratio", "target");
}

/* Half the distance between the quartiles, in percent of the median. */
static double spread(const struct bench *bench, const struct bench_contender *contender)
{
    double low = bench_quantile(bench, contender, 0.25);
    double high = bench_quantile(bench, contender, 0.75);
    double median = bench_median(bench, contender);
    return median > 0 ? 50 * (high - low) / median : 0;
}

static void put_target(char *text, size_t size, const struct bench_row *row)
{
    static const char *const forms[] = {[BENCH_NONE] = "",
                                        [BENCH_AT_MOST] = "<= %g",
                                        [BENCH_AT_LEAST] = ">= %g",
                                        [BENCH_RATIO_AT_MOST] = "ratio <= %g"};
    snprintf(text, size, forms[row->promise], row->target);
}

void bench_print_row(struct bench *bench, const struct bench_row *row)
{
    char target[32];
    double figure = row->scale * bench_median(bench, row->measured), ratio = 0;
    put_target(target, sizeof target, row);
    printf("%-36s %9.2f %-10s %3.0f %%", row->name, figure, row->unit,
           spread(bench, row->measured));
    if (row->baseline) {
        ratio = bench_ratio(bench, row->measured, row->baseline);
        printf("  %9.2f  %-24s %6.2f", row->scale * bench_median(bench, row->baseline),
               row->baseline->name, ratio);
    } else {
        printf("  %9s  %-24s %6s", "", "", "");
    }
    const char *verdict = judge_row(bench, row, figure, ratio);
    printf("  %-13s %s\n", target, verdict);
    fflush(stdout);
    put_record(bench, &(struct record){row->name, row->measured, row->scale, row->unit, ratio,
                                       target, verdict});
}

/* ---- matrices ---- */

enum { NAME_WIDTH = 24, LEAST_WIDTH = 6 };

static int width(const struct bench_contender *contender)
{
    int length = (int)strlen(contender->column);
    return length < LEAST_WIDTH ? LEAST_WIDTH : length;
}

void bench_matrix_heading(const char *question, const char *first,
                          const struct bench_contender *contenders, size_t count)
{
    printf("\n%s\n%-*s", question, NAME_WIDTH, first);
    for (size_t i = 0; i < count; i++)
        printf(" %*s", width(&contenders[i]), contenders[i].column);
    printf("  target\n");
}

static double best_peer(const struct bench *bench, const struct bench_line *line)
{
    double best = 0;
    for (size_t i = 0; i < line->n_peers; i++) {
        double figure = bench_median(bench, &line->contenders[i]);
        best = figure > best ? figure : best;
    }
    return best;
}

/* Judges a line, and writes the text of its target. */
static const char *judge_line(struct bench *bench, const struct bench_line *line, double best,
                              char *text, size_t size)
{
    double target = best - tolerance > line->floor ? best - tolerance : line->floor;
    if (!line->judged) {
        *text = '\0';
        return "";
    }
    snprintf(text, size, ">= %.3f", target);
    return judge(bench, bench_median(bench, line->judged) >= target,
                 bench_is_disturbed(bench, line->judged));
}

void bench_print_line(struct bench *bench, const struct bench_line *line)
{
    char target[32];
    double best = best_peer(bench, line);
    const char *verdict = judge_line(bench, line, best, target, sizeof target);
    printf("%-*s", NAME_WIDTH, line->name);
    for (size_t i = 0; i < line->count; i++) {
        const struct bench_contender *contender = &line->contenders[i];
        double figure = bench_median(bench, contender), ratio = best > 0 ? figure / best : 0;
        bool is_judged = contender == line->judged;
        printf(" %*.3f", width(contender), figure);
        put_record(bench, &(struct record){line->name, contender, 1, line->unit, ratio,
                                           is_judged ? target : "", is_judged ? verdict : ""});
    }
    printf("  %s %s\n", target, verdict);
    fflush(stdout);
}

/* ---- the report ---- */

void bench_open_report(struct bench *bench, const char *csv_path)
{
    put_machine(stdout, "");
    printf("%d workers, medians of %d interleaved rounds, +- half the quartiles' distance\n",
           BENCH_WORKERS, bench->rounds);
    if (!csv_path)
        return;
    bench->csv = fopen(csv_path, "w");
    bench_require(bench->csv != NULL, strerror(errno));
    put_machine(bench->csv, "# ");
    fprintf(bench->csv, "# %d workers, medians of %d interleaved rounds%s\n", BENCH_WORKERS,
            bench->rounds, bench->is_quick ? ", quick" : "");
    fputs("question,case,contender,unit,median,lower_quartile,upper_quartile,"
          "ratio_to_best_peer_or_baseline,target,verdict\n",
          bench->csv);
}

void bench_close_report(struct bench *bench)
{
    printf("\n%d targets: %d ok, %d MISSED. Of %d turns %d were disturbed: others took more than\n"
           "%g %% of the cpus, also when it was repeated (%d repetitions). It took %.0f s.\n",
           bench->n_ok + bench->n_missed, bench->n_ok, bench->n_missed, bench->n_turns,
           bench->n_disturbed, 100 * bench_tolerated, bench->n_repeated,
           bench_now() - bench->start);
    if (bench->csv)
        bench_require(fclose(bench->csv) == 0, strerror(errno));
}
