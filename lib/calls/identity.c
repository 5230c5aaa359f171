/*
 * identity.c: functions and constants, named alike in all processes of one build.
 *
 * An object is known by its build-id. Where the linker wrote none, its name and where its parts lie
 * stand for it: they are equal in equal files.
 */
#include "calls/identity.h"

#include <link.h>
#include <string.h>

#include "calls/function.h"
#include "ground/hash.h"
#include "ground/memory.h"
#include "ground/mutexes.h"
#include "ground/objects.h"

/* ---- loaded objects ---- */

static const char *file_of(const struct dl_phdr_info *object)
{
    const char *slash = strrchr(object->dlpi_name, '/');
    return slash ? slash + 1 : object->dlpi_name;
}

static size_t rounded(size_t size, size_t alignment)
{
    return (size + alignment - 1) / alignment * alignment;
}

/* The hash of the build-id among these notes, or 0. */
static uint64_t hash_notes(const unsigned char *note, size_t left, size_t alignment)
{
    ElfW(Nhdr) head;
    while (left >= sizeof head) {
        memcpy(&head, note, sizeof head);
        size_t content = sizeof head + rounded(head.n_namesz, alignment);
        size_t size = content + rounded(head.n_descsz, alignment);
        if (size > left)
            return 0;
        if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == sizeof "GNU" &&
            memcmp(note + sizeof head, "GNU", sizeof "GNU") == 0)
            return parcel__hash_bytes(1, note + content, head.n_descsz);
        note += size;
        left -= size;
    }
    return 0;
}

static uint64_t hash_build_id(const struct dl_phdr_info *object)
{
    uint64_t hash = 0;
    for (unsigned i = 0; hash == 0 && i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type == PT_NOTE)
            hash = hash_notes((const unsigned char *)object->dlpi_addr + part->p_vaddr,
                              part->p_memsz, part->p_align == 8 ? 8 : 4);
    }
    return hash;
}

static uint64_t hash_layout(const struct dl_phdr_info *object)
{
    const char *file = file_of(object);
    uint64_t hash = parcel__hash_bytes(2, file, strlen(file));
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        hash = parcel__hash_mix(hash, part->p_type);
        hash = parcel__hash_mix(hash, part->p_flags);
        hash = parcel__hash_mix(hash, part->p_vaddr);
        hash = parcel__hash_mix(hash, part->p_memsz);
    }
    return hash;
}

/* Never 0, which stands for the registered functions. */
static uint64_t hash_object(const struct dl_phdr_info *object)
{
    uint64_t hash = hash_build_id(object);
    if (hash == 0)
        hash = hash_layout(object);
    return hash == 0 ? 1 : hash;
}

/* True when so many bytes from the address on lie in one part of the object. */
static bool holds(const struct dl_phdr_info *object, uintptr_t address, size_t size)
{
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        uintptr_t start = object->dlpi_addr + part->p_vaddr;
        if (part->p_type == PT_LOAD && address >= start && address - start < part->p_memsz &&
            size <= part->p_memsz - (address - start))
            return true;
    }
    return false;
}

struct search {
    uintptr_t address; /* that is wanted or found */
    size_t size;
    struct parcel__identity identity; /* that is found or wanted */
    const char *name;
};

static int find_by_address(struct dl_phdr_info *object, size_t size, void *state)
{
    struct search *search = state;
    (void)size;
    if (!holds(object, search->address, 1))
        return 0;
    search->identity.object = hash_object(object);
    search->identity.offset = search->address - object->dlpi_addr;
    search->name = file_of(object);
    return 1;
}

static int find_by_identity(struct dl_phdr_info *object, size_t size, void *state)
{
    struct search *search = state;
    uintptr_t address = object->dlpi_addr + (uintptr_t)search->identity.offset;
    (void)size;
    if (!holds(object, address, search->size) || hash_object(object) != search->identity.object)
        return 0;
    search->address = address;
    return 1;
}

static int note_build(struct dl_phdr_info *object, size_t size, void *state)
{
    (void)size;
    *(uint64_t *)state = hash_object(object);
    return 1; /* the program is the first of all */
}

const char *parcel__identity_object_name(const void *address)
{
    struct search search = {.address = (uintptr_t)address};
    if (parcel__objects_walk(find_by_address, &search) == 0)
        return NULL;
    return *search.name ? search.name : "the program";
}

uint64_t parcel__identity_build(void)
{
    uint64_t build = 0;
    parcel__objects_walk(note_build, &build);
    return build;
}

/* ---- registered functions ---- */

struct registered {
    struct registered *next;
    const parcel_function *function;
    uint64_t hash; /* of the name */
    char name[];
};

/* The newest first. Written under the mutex; what stands in it stays as it is, so that it is read
 * without: release and acquire make its content seen. */
static struct registered *all_registered;

static const struct registered *first_registered(void)
{
    return __atomic_load_n(&all_registered, __ATOMIC_ACQUIRE);
}

static const struct registered *registered_as(uint64_t hash)
{
    const struct registered *entry = first_registered();
    while (entry && entry->hash != hash)
        entry = entry->next;
    return entry;
}

static const struct registered *registered_at(const void *address)
{
    const struct registered *entry = first_registered();
    while (entry && entry->function != address)
        entry = entry->next;
    return entry;
}

static const char *add(const char *name, uint64_t hash, const parcel_function *function)
{
    size_t size = strlen(name) + 1;
    struct registered *entry = parcel__memory_new(sizeof *entry + size);
    if (!entry)
        return "out of memory";
    *entry = (struct registered){.next = all_registered, .function = function, .hash = hash};
    memcpy(entry->name, name, size);
    __atomic_store_n(&all_registered, entry, __ATOMIC_RELEASE);
    return NULL;
}

const char *parcel__identity_register(const char *name, const parcel_function *function)
{
    const char *fault = parcel__function_check(function);
    if (fault || !name || !*name)
        return fault ? fault : "a registered function needs a name";
    uint64_t hash = parcel__hash_bytes(0, name, strlen(name));
    parcel__mutexes_lock(PARCEL__MUTEX_NAMES);
    const struct registered *same = registered_as(hash), *other = registered_at(function);
    if (same && same->function != function)
        fault = "another function is registered under that name";
    else if (other && other != same)
        fault = "the function is registered under another name";
    else if (!same)
        fault = add(name, hash, function);
    parcel__mutexes_unlock(PARCEL__MUTEX_NAMES);
    return fault;
}

/* ---- both ---- */

bool parcel__identity_of(const void *address, struct parcel__identity *identity)
{
    struct search search = {.address = (uintptr_t)address};
    const struct registered *entry = registered_at(address);
    if (entry)
        search.identity.offset = entry->hash;
    else if (parcel__objects_walk(find_by_address, &search) == 0)
        return false;
    *identity = search.identity;
    return true;
}

const void *parcel__identity_find(struct parcel__identity identity, size_t size)
{
    struct search search = {.size = size, .identity = identity};
    if (identity.object == 0) {
        const struct registered *entry = registered_as(identity.offset);
        return entry ? entry->function : NULL;
    }
    return parcel__objects_walk(find_by_identity, &search) ? (const void *)search.address : NULL;
}
