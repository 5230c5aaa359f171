/* messages.c: what ranks say to each other. */
#include "ranks/messages.h"

#include <string.h>

#include "ground/memory.h"

void parcel__messages_tell(struct parcel__post *post, int to, int kind, const void *header,
                           size_t size, const char *text)
{
    size_t length = text ? strlen(text) + 1 : 0;
    unsigned char *bytes = parcel__memory_await(size + length);
    memcpy(bytes, header, size);
    if (text)
        memcpy(bytes + size, text, length);
    parcel__post_send(post, to, kind, bytes, size + length);
}

const char *parcel__messages_text(const struct parcel__message *message, size_t size)
{
    bool has_text = message->size > size && message->bytes[message->size - 1] == '\0';
    return has_text ? (const char *)message->bytes + size : NULL;
}

bool parcel__messages_is_sound(const struct parcel__message *message)
{
    static const size_t least[] = {
        [PARCEL__SAYS_HELLO] = sizeof(struct parcel__hello),
        [PARCEL__SAYS_LEAVE] = sizeof(struct parcel__note),
        [PARCEL__SAYS_COMPARE] = sizeof(struct parcel__comparison),
        [PARCEL__SAYS_COMPARED] = sizeof(struct parcel__comparison),
        [PARCEL__SAYS_REFUSE] = sizeof(struct parcel__note),
        [PARCEL__SAYS_BEGIN] = sizeof(struct parcel__note),
        [PARCEL__SAYS_WORK] = sizeof(struct parcel__work),
        [PARCEL__SAYS_HALT] = sizeof(struct parcel__stopped),
        [PARCEL__SAYS_ALLOWED] = sizeof(struct parcel__allowed),
        [PARCEL__SAYS_END] = sizeof(struct parcel__end),
        [PARCEL__SAYS_ALL_RESULTS] = sizeof(struct parcel__all_results),
        [PARCEL__SAYS_NOT_RUN] = sizeof(struct parcel__unrun),
        [PARCEL__SAYS_RETURN] = sizeof(struct parcel__unrun),
        [PARCEL__SAYS_STOPPED] = sizeof(struct parcel__stopped),
        [PARCEL__SAYS_WANT] = sizeof(struct parcel__wish),
        [PARCEL__SAYS_DROP] = sizeof(struct parcel__wish),
    };
    const int n_kinds = (int)(sizeof least / sizeof *least);
    return message->kind > 0 && message->kind < n_kinds && message->size >= least[message->kind];
}

void parcel__messages_free(struct parcel__message *message)
{
    if (message)
        parcel__memory_free(message->bytes);
    parcel__memory_free(message);
}
