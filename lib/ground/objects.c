/* objects.c: which programs and libraries were loaded. */
#include "ground/objects.h"

#include <stdint.h>

#include "ground/memory.h"
#include "ground/mutexes.h"

struct object {
    uintptr_t start;
    uintptr_t end;
};

struct parcel__objects {
    unsigned long long n_added; /* objects that were ever loaded until then */
    size_t count;
    size_t capacity;
    struct object list[];
};

/* Counts on, so that the caller knows how much room it takes. */
static int note(struct dl_phdr_info *info, size_t size, void *data)
{
    struct parcel__objects *objects = data;
    struct object object = {UINTPTR_MAX, 0};
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + header->p_vaddr, end = start + header->p_memsz;
        if (header->p_type != PT_LOAD)
            continue;
        object.start = start < object.start ? start : object.start;
        object.end = end > object.end ? end : object.end;
    }
    objects->n_added = info->dlpi_adds;
    if (objects->count < objects->capacity)
        objects->list[objects->count] = object;
    objects->count++;
    return 0;
}

struct walk {
    int (*look)(struct dl_phdr_info *object, size_t size, void *state);
    void *state;
    bool is_past_program;
};

/* The program is the first of all. Some C libraries name it as it was called, glibc does not. */
static int look_at(struct dl_phdr_info *object, size_t size, void *state)
{
    struct walk *walk = state;
    if (!walk->is_past_program)
        object->dlpi_name = "";
    walk->is_past_program = true;
    return walk->look(object, size, walk->state);
}

int parcel__objects_walk(int (*look)(struct dl_phdr_info *object, size_t size, void *state),
                         void *state)
{
    struct walk walk = {.look = look, .state = state};
    parcel__mutexes_lock(PARCEL__MUTEX_OBJECTS);
    int found = dl_iterate_phdr(look_at, &walk);
    parcel__mutexes_unlock(PARCEL__MUTEX_OBJECTS);
    return found;
}

struct parcel__objects *parcel__objects_list(void)
{
    enum { AT_FIRST = 32 };
    struct parcel__objects *objects = NULL;
    for (size_t capacity = AT_FIRST;; capacity = objects->count) {
        struct parcel__objects *larger =
            parcel__memory_resize(objects, sizeof *objects + capacity * sizeof *objects->list);
        if (!larger) {
            parcel__memory_free(objects);
            return NULL;
        }
        objects = larger;
        *objects = (struct parcel__objects){.capacity = capacity};
        parcel__objects_walk(note, objects);
        if (objects->count <= objects->capacity)
            return objects;
    }
}

void parcel__objects_free(struct parcel__objects *objects)
{
    parcel__memory_free(objects);
}

static int read_added(struct dl_phdr_info *info, size_t size, void *n_added)
{
    (void)size;
    *(unsigned long long *)n_added = info->dlpi_adds;
    return 1;
}

bool parcel__objects_are_all(const struct parcel__objects *objects)
{
    unsigned long long n_added = 0;
    parcel__objects_walk(read_added, &n_added);
    return n_added == objects->n_added;
}

bool parcel__objects_have(const struct parcel__objects *objects, const void *address)
{
    for (size_t i = 0; i < objects->count; i++)
        if ((uintptr_t)address >= objects->list[i].start &&
            (uintptr_t)address < objects->list[i].end)
            return true;
    return false;
}
