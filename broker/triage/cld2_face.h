// cld2_face.h - CLD2, seen from C.
//
// CLD2 is C++ and wants its hints as its own numbers; here are ISO codes in and out.  Nothing of what its
// answers mean is decided here.

#ifndef TRIAGE_CLD2_FACE_H
#define TRIAGE_CLD2_FACE_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CLD2_ANSWERS 3
#define CLD2_CODE_BYTES 8

struct cld2_answer {
    char language[CLD2_ANSWERS][CLD2_CODE_BYTES]; // ISO 639-1 where there is one; "" ends the list
    int percent[CLD2_ANSWERS];                    // share of the text, 0 to 100
    double score[CLD2_ANSWERS];                   // score for each 1024 bytes of text, as CLD2 counts
    bool reliable;                                // CLD2's own word for the first one
    int text_bytes;                               // letters it looked at
};

// Asks CLD2 for the languages of plain text, valid UTF-8, best effort.  `hint` is an ISO code that is
// favoured, or NULL; an unknown one is no hint.  Thread-safe.
void cld2_ask(const char *text, size_t text_bytes, const char *hint, struct cld2_answer *out);

// True if CLD2 knows the language at all.
bool cld2_knows(const char *code);

#ifdef __cplusplus
}
#endif

#endif
