/* print.c: results as text. */
#include "results/results.h"

#include <math.h>

#include "ground/text.h"
#include "ground/waits.h"
#include "values/value.h"

/* A message that begins with the word says it already. */
static void put_failure(struct parcel__text *text, const char *word, const char *message)
{
    if (!message)
        parcel__text_format(text, "<%s>", word);
    else if (strncmp(message, word, strlen(word)) == 0)
        parcel__text_format(text, "<%s>", message);
    else
        parcel__text_format(text, "<%s: %s>", word, message);
}

/* Adds what stands for the call in a printed list. */
static void put_result(struct parcel__text *text, const parcel_results *results, size_t index)
{
    static const char *const words[] = {[PARCEL_NOT_RUN] = "not run",
                                        [PARCEL_FAILED] = "failed",
                                        [PARCEL_CANCELLED] = "cancelled",
                                        [PARCEL_TIMED_OUT] = "timed out",
                                        [PARCEL_LOST] = "lost"};
    parcel_status status = parcel_results_status(results, index);
    if (results->are_elsewhere)
        parcel__text_put(text, "<on rank 0>");
    else if (!results->marks && !results->error)
        parcel__text_put(text, "<not kept>"); /* a stream, or on_result, had it */
    else if (status == PARCEL_OK)
        parcel__value_put(text, parcel_results_value(results, index));
    else
        put_failure(text, words[status], parcel_results_message(results, index));
}

static bool write_text(struct parcel__text *text, FILE *file)
{
    bool written = !text->failed && fwrite(text->bytes, 1, text->length, file) == text->length;
    text->length = 0;
    return written;
}

bool parcel_results_print(const parcel_results *results, FILE *file)
{
    enum { WRITE_AT = 1 << 16 };
    struct parcel__text text = {0};
    if (!results || !file)
        return false;
    bool written = true;
    parcel__text_put(&text, "[");
    for (size_t i = 0; i < results->count && written; i++) {
        if (i > 0)
            parcel__text_put(&text, ", ");
        put_result(&text, results, i);
        if (text.length >= WRITE_AT)
            written = write_text(&text, file);
    }
    parcel__text_put(&text, "]\n");
    written = written && write_text(&text, file);
    parcel__text_free(&text);
    return written;
}

/* Where the system does not tell who waited for a cpu, nobody knows the speed-up. */
static const char *word_for_speedup(const parcel_results *results)
{
    return isnan(results->sums.waited) || !parcel__waits_are_told() ? "workers busy"
                                                                    : "speed-up   ";
}

bool parcel_results_print_summary(const parcel_results *results, FILE *file)
{
    static const double worth_saying = 0.05; /* of the total time */
    struct parcel__text text = {0};
    if (!results || !file)
        return false;
    parcel__text_format(&text,
                        "calls       %zu, %zu failed\n"
                        "workers     %d, backend %s\n"
                        "wall time   %.6f s\n"
                        "total time  %.6f s\n"
                        "%s %.2f\n"
                        "efficiency  %.2f\n",
                        results->count, results->sums.n_failed, results->n_workers,
                        *results->backend ? results->backend : "none", results->wall_time,
                        results->sums.total_time, word_for_speedup(results),
                        parcel_results_speedup(results), parcel_results_efficiency(results));
    if (results->sums.waited > worth_saying * results->sums.total_time)
        parcel__text_format(&text, "workers waited %.3g s of %.3g s for a cpu\n",
                            results->sums.waited, results->sums.total_time);
    if (!isnan(parcel_results_duration(results, results->sums.slowest)))
        parcel__text_format(&text, "slowest     call %zu, %.6f s\n", results->sums.slowest,
                            parcel_results_duration(results, results->sums.slowest));
    bool written = write_text(&text, file);
    parcel__text_free(&text);
    return written;
}
