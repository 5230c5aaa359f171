/*
 * structure.c: the described structs of the process, entered by PARCEL_STRUCT before main.
 *
 * Several files may describe one struct, in a header that they share: the first description
 * holds. Two structs of one name and size with different fields cannot be told apart, so neither
 * is used.
 */
#include "values/structure.h"

#include <string.h>

#include "ground/mutexes.h"

enum { MOST_STRUCTURES = 1024 };

/* All protected by the mutex. An id is an index plus 1; the place of one that left stays empty. */
static struct {
    parcel_structure *structures[MOST_STRUCTURES];
    unsigned short count;
} known;

void parcel__structure_register(parcel_structure *structure)
{
    if (!structure)
        return;
    parcel__mutexes_lock(PARCEL__MUTEX_STRUCTURES);
    if (known.count < MOST_STRUCTURES) {
        known.structures[known.count++] = structure;
        structure->id = known.count;
    }
    parcel__mutexes_unlock(PARCEL__MUTEX_STRUCTURES);
}

void parcel__structure_unregister(parcel_structure *structure)
{
    if (!structure)
        return;
    parcel__mutexes_lock(PARCEL__MUTEX_STRUCTURES);
    if (structure->id > 0)
        known.structures[structure->id - 1] = NULL;
    parcel__mutexes_unlock(PARCEL__MUTEX_STRUCTURES);
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
    parcel__mutexes_lock(PARCEL__MUTEX_STRUCTURES);
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
    parcel__mutexes_unlock(PARCEL__MUTEX_STRUCTURES);
    return id;
}

const parcel_structure *parcel__structure_at(unsigned short id)
{
    parcel__mutexes_lock(PARCEL__MUTEX_STRUCTURES);
    const parcel_structure *structure =
        id > 0 && id <= known.count ? known.structures[id - 1] : NULL;
    parcel__mutexes_unlock(PARCEL__MUTEX_STRUCTURES);
    return structure;
}
