// message_block.c - messages in one block each: made, freed, and copied after measuring what the copy will take.

#include "proto/message_block.h"

#include "proto/base/must.h"
#include "proto/message_fields.h"

#include <stdlib.h>
#include <string.h>

void *message_block_take(struct message_block *block, size_t bytes)
{
    char *taken = block->memory + block->used;
    block->used += message_rounded(bytes);
    return taken;
}

const char *message_block_text(struct message_block *block, const char *text, size_t bytes)
{
    if (bytes == 0) {
        return "";
    }
    char *kept = message_block_take(block, bytes + 1);
    memcpy(kept, text, bytes);
    kept[bytes] = '\0';
    return kept;
}

struct behalf_message *message_new(struct message_block *block, size_t more)
{
    struct behalf_message *message = calloc(1, message_rounded(sizeof(*message)) + more);
    must(message != NULL);
    message->memory = message;
    *block = (struct message_block){ .memory = (char *) message, .used = message_rounded(sizeof(*message)) };
    return message;
}

void behalf_message_destroy(struct behalf_message **message_p)
{
    must(message_p != NULL);
    if (*message_p == NULL) {
        return;
    }
    must((*message_p)->memory == *message_p);
    free(*message_p);
    *message_p = NULL;
}

// ---- copying ----

static size_t message_measure_fields(const struct behalf_field *table, const char *body)
{
    size_t bytes = 0;
    for (const struct behalf_field *field = table; field->name != NULL; field++) {
        if (field->kind == 't') {
            bytes += message_text_cost(strlen(message_text_in(field, body)));
        } else if (field->kind == 's') {
            const char *const *texts = message_pointer_in(field, body);
            bytes += message_rounded(message_count_in(field, body) * sizeof(*texts));
            for (size_t i = 0; i < message_count_in(field, body); i++) {
                bytes += texts[i] != NULL ? message_text_cost(strlen(texts[i])) : 0;
            }
        } else if (field->kind == 'l') {
            const char *records = message_pointer_in(field, body);
            bytes += message_rounded(message_count_in(field, body) * field->record_bytes);
            for (size_t i = 0; i < message_count_in(field, body); i++) {
                bytes += message_measure_fields(field->record, records + i * field->record_bytes);
            }
        }
    }
    return bytes;
}

static void message_copy_texts(struct message_block *block, const struct behalf_field *field, const char *from,
                               char *to)
{
    size_t count = message_count_in(field, from);
    const char *const *texts = message_pointer_in(field, from);
    const char **kept = message_block_take(block, count * sizeof(*kept));
    for (size_t i = 0; i < count; i++) {
        kept[i] = texts[i] != NULL ? message_block_text(block, texts[i], strlen(texts[i])) : "";
    }
    message_set_list(field, to, count > 0 ? kept : NULL, count);
}

static void message_copy_fields(struct message_block *block, const struct behalf_field *table, const char *from,
                                char *to)
{
    for (const struct behalf_field *field = table; field->name != NULL; field++) {
        if (field->kind == 't') {
            const char *text = message_text_in(field, from);
            message_set_pointer(field, to, message_block_text(block, text, strlen(text)));
        } else if (field->kind == 'n') {
            memcpy(to + field->offset, from + field->offset, sizeof(int64_t));
        } else if (field->kind == 'f') {
            memcpy(to + field->offset, from + field->offset, sizeof(bool));
        } else if (field->kind == 's') {
            message_copy_texts(block, field, from, to);
        } else {
            size_t count = message_count_in(field, from);
            const char *records = message_pointer_in(field, from);
            char *kept = message_block_take(block, count * field->record_bytes);
            for (size_t i = 0; i < count; i++) {
                message_copy_fields(block, field->record, records + i * field->record_bytes,
                                    kept + i * field->record_bytes);
            }
            message_set_list(field, to, count > 0 ? kept : NULL, count);
        }
    }
}

struct behalf_message *behalf_message_copy(const struct behalf_message *message)
{
    must((unsigned) message->type < BEHALF_TYPE_COUNT);
    const struct behalf_field *table = behalf_type_fields(message->type);
    struct message_block block;
    struct behalf_message *copy = message_new(&block, message_measure_fields(table, message_body_of(message)));
    copy->type = message->type;
    copy->id = message->id;
    copy->mended = message->mended;
    message_copy_fields(&block, table, message_body_of(message), (char *) copy + MESSAGE_BODY_OFFSET);
    return copy;
}
