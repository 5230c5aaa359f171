/* explain.c: what a run would do, and why. */
#include <parcel.h>

#include "options/n_jobs.h"
#include "options/plan.h"

static void put_n_jobs(struct parcel__text *text, const struct parcel__plan *plan)
{
    parcel__text_format(text, "%d", plan->n_jobs_asked);
    if (plan->n_jobs != plan->n_jobs_asked)
        parcel__text_format(text, " (%d worker%s)", plan->n_jobs, plan->n_jobs == 1 ? "" : "s");
}

static void put_max_failures(struct parcel__text *text, const struct parcel__halt *halt)
{
    if (halt->counts == PARCEL__HALT_FAIL && !halt->now && !halt->is_percent)
        parcel__text_format(text, "%lld", halt->number);
    else
        parcel__text_put(text, "none");
}

/* What an option became of which the plan makes something else than it says; others by their row.
 */
static void put_value(struct parcel__text *text, const struct parcel__plan *plan, int option)
{
    switch (option) {
    case PARCEL__N_JOBS:
        put_n_jobs(text, plan);
        return;
    case PARCEL__VERBOSE:
        parcel__text_format(text, "%d", plan->verbose > 0 ? plan->verbose : -1);
        return;
    case PARCEL__BACKEND:
        parcel__text_put(text, plan->backend->name);
        return;
    case PARCEL__PREFER:
        parcel__text_put(text, plan->prefer ? plan->prefer : "none");
        return;
    case PARCEL__REQUIRE:
        parcel__text_put(text, plan->require ? plan->require : "none");
        return;
    case PARCEL__PRE_DISPATCH:
        if (plan->pre_dispatch == SIZE_MAX)
            parcel__text_put(text, "all");
        else
            parcel__text_format(text, "%zu", plan->pre_dispatch);
        return;
    case PARCEL__MAX_FAILURES:
        put_max_failures(text, &plan->policy.limits.halt);
        return;
    case PARCEL__HALT:
        parcel__halt_put(text, &plan->policy.limits.halt);
        return;
    default:
        parcel__table_put(text, &parcel__table[option], plan);
    }
}

/* One line: what was put since start, and where it came from. */
static void end_line(struct parcel__text *text, size_t start, const char *from)
{
    int width = (int)(text->length - start);
    parcel__text_format(text, "%*s(%s)\n", width < 32 ? 32 - width : 1, "", from);
}

static void put_cpus(struct parcel__text *text)
{
    size_t start = text->length;
    parcel__text_format(text, "%-14s = %d", "cpus", parcel_cpu_count());
    end_line(text, start, parcel__n_jobs_cpus().by);
}

static void put_plan(struct parcel__text *text, const struct parcel__plan *plan)
{
    static const char *const sources[] = {[PARCEL__FROM_DEFAULT] = "default",
                                          [PARCEL__FROM_SCOPE] = "scope",
                                          [PARCEL__GIVEN] = "given"};
    for (int i = 0; i < PARCEL__N_OPTIONS; i++) {
        enum parcel__from source = plan->sources[i];
        const char *from = sources[source];
        if (source == PARCEL__FROM_ENVIRONMENT)
            from = parcel__table[i].variable;
        else if (i == PARCEL__N_JOBS && source == PARCEL__FROM_DEFAULT &&
                 parcel__n_jobs_is_from_openmp())
            from = "OMP_NUM_THREADS";
        size_t start = text->length;
        parcel__text_format(text, "%-14s = ", parcel__table[i].name);
        put_value(text, plan, i);
        end_line(text, start, from);
    }
    put_cpus(text);
    if (plan->warnings.length > 0)
        parcel__text_put(text, plan->warnings.bytes);
}

bool parcel_explain(const parcel_options *options, FILE *file)
{
    struct parcel__plan plan;
    struct parcel__text text = {0};
    if (!file)
        return false;
    bool resolved = parcel__plan_resolve(&plan, options, &text);
    if (resolved)
        put_plan(&text, &plan);
    else
        parcel__text_put(&text, "\n");
    bool written = !text.failed && fwrite(text.bytes, 1, text.length, file) == text.length;
    parcel__plan_free(&plan);
    parcel__text_free(&text);
    return resolved && written;
}
