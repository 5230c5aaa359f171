/*
 * structure.c: the described structs of the process, entered by PARCEL_STRUCT before main.
 *
 * Several files may describe one struct, in a header that they share: the first description
 * holds. Two structs of one name and size with different fields cannot be told apart, so neither
 * is used.
 */
#include "structure.h"

#include <pthread.h>
#include <string.h>

enum { MOST_STRUCTURES = 1024 };

/* All protected by mutex. An id is an index plus 1; the place of one that left stays empty. */
static struct {
    pthread_mutex_t mutex;
    parcel_structure *structures[MOST_STRUCTURES];
    unsigned short count;
} known = {.mutex = PTHREAD_MUTEX_INITIALIZER};

void parcel__structure_register(parcel_structure *structure)
{
    if (!structure)
        return;
    pthread_mutex_lock(&known.mutex);
    if (known.count < MOST_STRUCTURES) {
        known.structures[known.count++] = structure;
        structure->id = known.count;
    }
    pthread_mutex_unlock(&known.mutex);
}

void parcel__structure_unregister(parcel_structure *structure)
{
    if (!structure)
        return;
    pthread_mutex_lock(&known.mutex);
    if (structure->id > 0)
        known.structures[structure->id - 1] = NULL;
    pthread_mutex_unlock(&known.mutex);
}

static bool same_fields(const parcel_structure *one, const parcel_structure *other)
{
    if (one->n_fields != other->n_fields)
        return false;
    for (size_t i = 0; i < one->n_fields; i++) {
        const parcel_field *a = &one->fields[i], *b = &other->fields[i];
        if (strcmp(a->name, b->name) != 0 || a->kind != b->kind || a->element != b->element ||
            a->offset != b->offset || a->size != b->size)
            return false;
    }
    return true;
}

unsigned short parcel__structure_find(const char *name, size_t size)
{
    const parcel_structure *found = NULL;
    if (strncmp(name, "const ", 6) == 0)
        name += 6;
    pthread_mutex_lock(&known.mutex);
    for (unsigned short i = 0; i < known.count; i++) {
        const parcel_structure *structure = known.structures[i];
        if (!structure || structure->size != size || strcmp(structure->name, name) != 0)
            continue;
        if (found && !same_fields(found, structure)) {
            found = NULL;
            break;
        }
        found = found ? found : structure;
    }
    unsigned short id = found ? found->id : 0;
    pthread_mutex_unlock(&known.mutex);
    return id;
}

const parcel_structure *parcel__structure_at(unsigned short id)
{
    pthread_mutex_lock(&known.mutex);
    const parcel_structure *structure =
        id > 0 && id <= known.count ? known.structures[id - 1] : NULL;
    pthread_mutex_unlock(&known.mutex);
    return structure;
}
