// cld2_face.cc - calls into CLD2, and its answers as plain structs: see cld2_face.h.

#include "broker/triage/cld2_face.h"

// compact_lang_det.h uses FILE without saying so.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <cld2/public/compact_lang_det.h>
#include <cld2/public/encodings.h>

namespace
{

struct Spelling {
    const char *ours;
    const char *theirs;
};

// Where CLD2 keeps codes that ISO 639-1 has given up, or splits what we take as one language.
const Spelling spellings[] = { { "he", "iw" }, { "jv", "jw" }, { "zh", "zh-Hant" }, { "no", "nn" }, { "no", "nb" } };

CLD2::Language find_language(const char *code)
{
    for (const Spelling &spelling : spellings) {
        if (strcmp(spelling.ours, code) == 0 && strcmp(code, "zh") != 0 && strcmp(code, "no") != 0) {
            code = spelling.theirs;
        }
    }
    return CLD2::GetLanguageFromName(code);
}

// CLD2 takes some 200 kB for each call and gives them back at its end.  As a process begins, glibc returns that much at
// the end of its heap to the kernel at once and asks for it again at the next call: 50 us instead of 3.  It keeps twice
// as much as the largest block that it ever freed of those mapped on their own (mallopt(3), M_MMAP_THRESHOLD): here is
// one.
bool keep_heap()
{
    const size_t bytes = 512 * 1024;
    void *volatile block = std::malloc(bytes);
    std::free(block);
    return true;
}

const char *code_of(CLD2::Language language)
{
    if (language == CLD2::UNKNOWN_LANGUAGE || language == CLD2::TG_UNKNOWN_LANGUAGE) {
        return "";
    }
    const char *code = CLD2::LanguageCode(language);
    for (const Spelling &spelling : spellings) {
        if (strcmp(spelling.theirs, code) == 0) {
            return spelling.ours;
        }
    }
    return code;
}

} // namespace

extern "C" void cld2_ask(const char *text, size_t text_bytes, const char *hint, struct cld2_answer *out)
{
    CLD2::CLDHints hints = { nullptr, nullptr, CLD2::UNKNOWN_ENCODING,
                             hint == nullptr ? CLD2::UNKNOWN_LANGUAGE : find_language(hint) };
    CLD2::Language languages[CLD2_ANSWERS];
    static const bool heap_kept = keep_heap();
    (void) heap_kept;
    *out = cld2_answer();
    CLD2::ExtDetectLanguageSummary(text, static_cast<int>(text_bytes), true, &hints, CLD2::kCLDFlagBestEffort,
                                   languages, out->percent, out->score, nullptr, &out->text_bytes, &out->reliable);
    for (int i = 0; i < CLD2_ANSWERS; i++) {
        std::strncpy(out->language[i], code_of(languages[i]), CLD2_CODE_BYTES - 1);
        if (out->language[i][0] == '\0') {
            out->percent[i] = 0;
        }
    }
}

extern "C" bool cld2_knows(const char *code)
{
    return find_language(code) != CLD2::UNKNOWN_LANGUAGE;
}
