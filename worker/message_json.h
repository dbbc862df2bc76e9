// message_json.h - messages as JSON objects, and back.
//
// For programs whose other side speaks JSON lines.  An object's keys are the fields of messages.def and
// its "type" the message's type; both ways are led by the table of fields, so that a new message or field
// needs nothing here.  Limits are checked where messages are encoded (behalf_client_send), not here.

#ifndef WORKER_MESSAGE_JSON_H
#define WORKER_MESSAGE_JSON_H

#include <behalf/message.h>

#include <jansson.h>

// Returns the message as an object, owned by the caller: "type", then each field that is required or not
// empty.  The message's id is left out; it is the caller's affair.
json_t *message_to_json(const struct behalf_message *message);

// Makes a message of `type` from an object's keys.  Returns it, owned by the caller, or NULL with `fault`
// filled in: a required field is missing, or a value is not of its field's kind.  Keys that are no field
// are passed over, the first such (other than "type" and "id") is named in `unknown` (64 bytes, "" when
// there is none).  null is as if the key were absent.
struct behalf_message *message_from_json(enum behalf_type type, const json_t *object, char *unknown,
                                         struct behalf_fault *fault);

// Parses one line of JSON that must be an object.  Returns it, owned by the caller, or NULL with what is
// wrong in `reason`; the reason never quotes the line.
json_t *json_line_parse(const char *line, size_t line_bytes, char *reason, size_t reason_bytes);

#endif
