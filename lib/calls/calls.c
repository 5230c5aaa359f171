/*
 * calls.c: lists of calls.
 *
 * A list is a table of blocks of 131072 records each, so that a call is found by a shift, and that
 * a block of small records is one huge page: smaller ones cost a fault each 4 KiB. Within a
 * block all records have one stride; a call that needs a larger one moves the block's records
 * apart, which happens at most 16 times a block. A record is the function's descriptor and, at
 * its argument offset, the arguments:
 *
 *     | function | arguments ... | | function | arguments ... | ...
 *     ^ stride                    ^
 *
 * The inline parcel_calls_add writes such a record itself for the function it added last
 * (parcel__repeated), when that function's arguments need no more than a copy.
 */
#include "calls/calls.h"

#include <string.h>

#include "calls/function.h"
#include "ground/memory.h"

enum { BLOCK_SHIFT = 17, BLOCK_CALLS = 1 << BLOCK_SHIFT, FIRST_CALLS = 16 };

struct block {
    struct parcel__block memory;
    size_t stride;
    size_t capacity; /* records; BLOCK_CALLS in all but a first block that still grows */
};

struct list {
    parcel_calls head; /* first, so that a parcel_calls of ours is a list */
    struct block *blocks;
    size_t n_blocks;
    size_t table_size;
    struct parcel__arena strings;
    const parcel_function *first_function;
    bool is_mixed;
    size_t slot_size;
    size_t slot_alignment;
    const char *error; /* a constant; atomic, since a refused add may come from any thread */
};

struct generator {
    parcel_calls head; /* first, so that parcel_calls that are generated are a generator */
    parcel_next *next;
    void *state;
    int is_used; /* atomic: of several runs at once one is the first */
};

/* Stands in parcel__repeated when no call may be added without a look; equal to none that comes. */
static const parcel_function no_function;

static const char out_of_memory[] =
    "memory ran out while calls were added to the list: the list is not complete";
static const char added_while_running[] =
    "a call was added to the list while it ran: the call was refused, and is missing in the list";

static struct list *list_of(const parcel_calls *calls)
{
    return calls ? calls->parcel__list : NULL;
}

static struct generator *generator_of(const parcel_calls *calls)
{
    return calls ? calls->parcel__generator : NULL;
}

static bool refuse(struct list *list, const char *why)
{
    /* Release and acquire: the text is constant, so the order costs and buys nothing else. */
    __atomic_store_n(&list->error, why, __ATOMIC_RELEASE);
    return false;
}

parcel_calls *parcel_calls_new(void)
{
    struct list *list = parcel__memory_new(sizeof *list);
    if (!list)
        return NULL;
    *list = (struct list){.slot_size = sizeof(void *), .slot_alignment = sizeof(void *)};
    list->head.parcel__list = list;
    list->head.parcel__repeated = &no_function;
    return &list->head;
}

void parcel_calls_free(parcel_calls *calls)
{
    struct list *list = list_of(calls);
    parcel__memory_free(generator_of(calls));
    if (!list)
        return;
    for (size_t i = 0; i < list->n_blocks; i++)
        parcel__memory_give_back(&list->blocks[i].memory);
    parcel__memory_free(list->blocks);
    parcel__arena_free(&list->strings);
    parcel__memory_free(list);
}

size_t parcel_calls_count(const parcel_calls *calls)
{
    return calls ? calls->parcel__count : 0;
}

const char *parcel_calls_error(const parcel_calls *calls)
{
    struct list *list = list_of(calls);
    return list ? __atomic_load_n(&list->error, __ATOMIC_ACQUIRE) : NULL;
}

bool parcel__calls_lack_memory(const parcel_calls *calls)
{
    return parcel_calls_error(calls) == out_of_memory;
}

/* Gives the block room for capacity records of that stride, the ones it has included. */
static bool reshape(struct block *block, size_t used, size_t capacity, size_t stride)
{
    struct block larger = {.stride = stride, .capacity = capacity};
    if (!parcel__memory_take(&larger.memory, capacity * stride, false))
        return false;
    unsigned char *to = larger.memory.bytes;
    const unsigned char *from = block->memory.bytes;
    for (size_t i = 0; i < used; i++)
        memcpy(to + i * stride, from + i * block->stride, block->stride);
    parcel__memory_give_back(&block->memory);
    *block = larger;
    return true;
}

static bool add_block(struct list *list, size_t stride)
{
    if (list->n_blocks == list->table_size) {
        size_t size = list->table_size ? 2 * list->table_size : 1;
        struct block *blocks = parcel__memory_resize(list->blocks, size * sizeof *blocks);
        if (!blocks)
            return false;
        list->blocks = blocks;
        list->table_size = size;
    }
    struct block *block = &list->blocks[list->n_blocks];
    *block = (struct block){0};
    if (!reshape(block, 0, list->n_blocks == 0 ? FIRST_CALLS : BLOCK_CALLS, stride))
        return false;
    list->n_blocks++;
    return true;
}

/* Makes room for one more record of that size. */
static bool make_room(struct list *list, size_t size)
{
    size_t used = list->head.parcel__count & (BLOCK_CALLS - 1);
    bool is_full = list->head.parcel__count == list->n_blocks * BLOCK_CALLS;
    if (is_full && !add_block(list, size))
        return false;
    struct block *block = &list->blocks[list->n_blocks - 1];
    size_t stride = size > block->stride ? size : block->stride;
    size_t capacity = used < block->capacity ? block->capacity : 2 * block->capacity;
    if ((stride != block->stride || capacity != block->capacity) &&
        !reshape(block, used, capacity, stride))
        return false;
    list->head.parcel__stride = block->stride;
    list->head.parcel__room = block->capacity - used;
    list->head.parcel__next = (unsigned char *)block->memory.bytes + used * block->stride;
    return true;
}

static void note_function(struct list *list, const parcel_function *function)
{
    size_t slot = parcel__function_slot_size(function);
    size_t alignment = parcel__function_slot_alignment(function);
    if (!list->first_function)
        list->first_function = function;
    list->is_mixed = list->is_mixed || function != list->first_function;
    if (slot > list->slot_size)
        list->slot_size = slot;
    if (alignment > list->slot_alignment)
        list->slot_alignment = alignment;
    /* Slots stand side by side: the size keeps the strictest alignment of all. */
    list->slot_size = (list->slot_size + list->slot_alignment - 1) & -list->slot_alignment;
}

bool parcel__calls_add(parcel_calls *calls, const parcel_call *call)
{
    struct parcel__traits traits;
    struct list *list = list_of(calls);
    if (!list || !call)
        return false;
    if (__atomic_load_n(&calls->parcel__running, __ATOMIC_RELAXED) != 0)
        return refuse(list, added_while_running);
    const char *fault = parcel__function_check(call->function);
    if (fault)
        return refuse(list, fault);
    parcel__function_traits(&traits, call->function);
    if (!make_room(list, parcel__function_record_size(call->function)))
        return refuse(list, out_of_memory);
    unsigned char *record = calls->parcel__next;
    unsigned char *arguments = record + traits.argument_offset;
    memcpy(record, &call->function, sizeof call->function);
    memcpy(arguments, call->arguments, call->function->argument_bytes);
    if (!parcel__function_copy_content(call->function, arguments, &list->strings, false))
        return refuse(list, out_of_memory);
    note_function(list, call->function);
    calls->parcel__next += calls->parcel__stride;
    calls->parcel__room--;
    calls->parcel__count++;
    calls->parcel__argument_offset = (unsigned)traits.argument_offset;
    calls->parcel__repeated =
        parcel__function_has_content(call->function) ? &no_function : call->function;
    return true;
}

struct parcel__span parcel__calls_span(const parcel_calls *calls, size_t first, size_t count)
{
    const struct list *list = list_of(calls);
    if (!list) {
        size_t stride = calls->parcel__mapped->argument_bytes;
        const unsigned char *elements = calls->parcel__elements;
        return (struct parcel__span){elements + first * stride, stride, count,
                                     calls->parcel__mapped};
    }
    const struct block *block = &list->blocks[first >> BLOCK_SHIFT];
    size_t place = first & (BLOCK_CALLS - 1);
    size_t here = BLOCK_CALLS - place;
    const unsigned char *records = block->memory.bytes;
    return (struct parcel__span){records + place * block->stride, block->stride,
                                 count < here ? count : here, NULL};
}

const parcel_function *parcel__calls_function(const parcel_calls *calls, size_t index)
{
    struct parcel__span span = parcel__calls_span(calls, index, 1);
    const parcel_function *function = span.mapped;
    if (!function)
        memcpy(&function, span.first, sizeof function);
    return function;
}

const unsigned char *parcel__calls_arguments(const parcel_calls *calls, size_t index)
{
    struct parcel__traits traits;
    struct parcel__span span = parcel__calls_span(calls, index, 1);
    if (span.mapped)
        return span.first;
    parcel__function_traits(&traits, parcel__calls_function(calls, index));
    return span.first + traits.argument_offset;
}

void parcel__calls_put_call(struct parcel__text *text, const parcel_calls *calls, size_t place,
                            size_t index)
{
    parcel__text_format(text, "call %zu, ", index);
    parcel__function_put_call(text, parcel__calls_function(calls, place),
                              parcel__calls_arguments(calls, place));
}

const parcel_function *parcel__calls_only_function(const parcel_calls *calls)
{
    const struct list *list = list_of(calls);
    if (!list)
        return calls->parcel__mapped;
    return list->is_mixed ? NULL : list->first_function;
}

size_t parcel__calls_slot_size(const parcel_calls *calls)
{
    const struct list *list = list_of(calls);
    return list ? list->slot_size : parcel__function_slot_size(calls->parcel__mapped);
}

const char *parcel__calls_check(const parcel_calls *calls)
{
    if (!calls)
        return "calls is NULL: a list made by parcel_calls_new or parcel_map is needed "
               "(parcel_calls_new and parcel_calls_generate return NULL when memory ran out)";
    if (list_of(calls))
        return parcel_calls_error(calls);
    if (generator_of(calls))
        return NULL;
    const char *fault = parcel__function_check(calls->parcel__mapped);
    if (fault)
        return fault;
    if (calls->parcel__mapped->n_parameters != 1)
        return "parcel_map needs a function of one parameter";
    if (!calls->parcel__elements && calls->parcel__count > 0)
        return "the array of parcel_map is NULL";
    return NULL;
}

/* The count is the one thing that a run writes into calls it borrows as constant. Lists come from
 * parcel_calls_new and a map is never added to, so nothing constant is written. */
static long *running(const parcel_calls *calls)
{
    return &list_of(calls)->head.parcel__running;
}

void parcel__calls_begin_run(const parcel_calls *calls)
{
    /* Relaxed: it orders nothing; whoever adds in another thread while a run starts is wrong. */
    if (list_of(calls))
        __atomic_fetch_add(running(calls), 1, __ATOMIC_RELAXED);
}

void parcel__calls_end_run(const parcel_calls *calls)
{
    if (list_of(calls))
        __atomic_fetch_sub(running(calls), 1, __ATOMIC_RELAXED);
}

/* ---- generated calls ---- */

parcel_calls *parcel_calls_generate(parcel_next *next, void *state)
{
    struct generator *generator = next ? parcel__memory_new(sizeof *generator) : NULL;
    if (!generator)
        return NULL;
    *generator = (struct generator){.next = next, .state = state};
    generator->head.parcel__generator = generator;
    return &generator->head;
}

bool parcel__calls_are_generated(const parcel_calls *calls)
{
    return generator_of(calls) != NULL;
}

bool parcel__calls_start(const parcel_calls *calls)
{
    /* Relaxed: it orders nothing; what the generator reads was written before the run. */
    return __atomic_exchange_n(&generator_of(calls)->is_used, 1, __ATOMIC_RELAXED) == 0;
}

parcel_next_status parcel__calls_next(const parcel_calls *calls, parcel_call *call)
{
    const struct generator *generator = generator_of(calls);
    call->function = NULL;
    return generator->next(generator->state, call);
}

void parcel__calls_take_back(parcel_calls *calls)
{
    calls->parcel__next -= calls->parcel__stride;
    calls->parcel__room++;
    calls->parcel__count--;
}

void parcel__calls_clear(parcel_calls *calls)
{
    struct list *list = list_of(calls);
    while (list->n_blocks > 1)
        parcel__memory_give_back(&list->blocks[--list->n_blocks].memory);
    parcel__arena_reset(&list->strings);
    list->first_function = NULL;
    list->is_mixed = false;
    list->slot_size = list->slot_alignment = sizeof(void *);
    list->error = NULL;
    calls->parcel__repeated = &no_function;
    calls->parcel__count = 0;
    if (list->n_blocks == 0)
        return;
    struct block *block = &list->blocks[0];
    calls->parcel__next = block->memory.bytes;
    calls->parcel__room = block->capacity;
    calls->parcel__stride = block->stride;
}
