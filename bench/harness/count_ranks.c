/* count_ranks.c: a message of calls and one of results, as ranks send them. */
#include "count.h"

#include "calls/calls.h"
#include "results/results.h"
#include "wire/bundle.h"

NOINLINE static size_t count_calls(struct parcel__bundle *bundle, const parcel_calls *calls,
                                   parcel_calls *copy)
{
    struct parcel__bundle large = {0};
    struct parcel__text why = {0};
    size_t n =
        parcel__bundle_put_calls(bundle, calls, 0, parcel_calls_count(calls), SIZE_MAX, &why);
    bool is_read =
        n > 0 && parcel__bundle_get_calls(bundle->bytes, bundle->used, n, copy, &large, &why);
    parcel__bundle_free(&large);
    return is_read ? n : 0;
}

NOINLINE static size_t count_results(struct parcel__bundle *bundle, parcel_results *results,
                                     parcel_results *copy)
{
    struct parcel__bundle large = {0};
    size_t count = parcel_results_count(results);
    size_t n = parcel__bundle_put_results(bundle, results, 0, count, SIZE_MAX);
    const struct parcel__bundle_destination to = {copy, 0, n, copy->arenas};
    bool is_read =
        n == count && parcel__bundle_get_results(bundle->bytes, bundle->used, &to, &large);
    parcel__bundle_free(&large);
    return is_read ? n : 0;
}

bool count_messages(const parcel_calls *calls, parcel_results *results)
{
    size_t count = parcel_calls_count(calls);
    struct parcel__bundle bundle = {0};
    parcel_calls *copy = parcel_calls_new();
    parcel_results *results_copy = parcel__results_new_empty(1);
    bool is_right = copy && results_copy && count_calls(&bundle, calls, copy) == count &&
                    parcel_calls_count(copy) == count &&
                    parcel__results_prepare(results_copy, copy, 0, count);
    parcel__bundle_clear(&bundle);
    is_right = is_right && count_results(&bundle, results, results_copy) == count &&
               parcel_get(results_copy, count - 1, int) == parcel_get(results, count - 1, int);
    parcel__bundle_free(&bundle);
    parcel_results_free(results_copy);
    parcel_calls_free(copy);
    return is_right;
}
