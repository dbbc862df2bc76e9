// language.c - the evidence, and its sum for each language that is served: see language.h.
//
// Every kind of evidence gives each language a number in log-odds, and the numbers are added.  The weights
// between the kinds are few and round.  They were set by reasoning and then, a few of them (spelling, CLD2,
// size and where size ends), by looking at shares and counts of right and wrong answers on labelled posts,
// among them those of tests/system/language_accuracy.c.  The lists of words are made from grammars and from what is
// known of a language, not from posts.  Some words of Hindi in Latin letters were once added after looking at posts
// that had been missed; those that no grammar lists (interjections, an insult) are out again, and what is left of them
// are forms of pronouns and postpositions, with the rest of their paradigms.  Nothing hangs on an exact size: halving
// or doubling any one of the weights of words, spelling, script, CLD2 and size, or of the leads that decide, changes
// the share of right answers there by less than one in a hundred.

#include "broker/triage/language.h"

#include "broker/triage/cld2_face.h"
#include "broker/triage/function_words.h"
#include "broker/triage/plain_text.h"
#include "proto/base/must.h"

#include <ctype.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// Weights of the kinds of evidence.
static const double language_words_weight = 1.0;
static const double language_spelling_weight = 1.0;
static const double language_script_weight = 6.0;   // all letters of its script against none, and
static const double language_script_word = 3.0;     // this for each word more
static const double language_cld2_weight = 0.06;    // a unit of CLD2's score for the whole text
static const double language_cld2_score_max = 60.0; // beyond this CLD2 is sure and more text adds nothing
static const double language_platform_weight = 1.5; // hints: together less than two words of grammar
static const double language_author_weight = 1.0;

static const double language_size_weight = 0.25; // for each e-fold of speakers: decides what is even otherwise

static const double language_size_millions_max = 500.0; // beyond this languages are equally large

// CLD2 answers English to next to nothing, and guesses wildly below a few letters.
#define CLD2_LETTERS_MIN 5

// This much text tells CLD2 all it can tell; a longer post does not cost more.
#define CLD2_BYTES_MAX 768

// CLD2 is asked with a hint for at most this many of the languages served, the likeliest; each costs 2 us and more.
#define CLD2_HINTS_MAX 6

// A lead in words, endings and script of this much is not asked further.
static const double language_sure_lead = 6.0;

// Nor is CLD2 asked at all where the lead over every language is more than all that it and the hints could say together
// (3.6 and 2.5; a tag that is believed all but its lead weighs no more: 3.6, 1.2 and a difference in size of 1.6), and
// the language knows one word in four, as most do of a post of some length.
static const double language_certain_lead = 6.5;
#define CERTAIN_WORDS 4

// The platform's tag is believed unless a language that is served leads by this in what the text says, less than a word
// of grammar; it was given by somebody who may know more than the text, the writer's settings for one.
static const double language_tag_lead = 1.2;
#define TAG_CONFIDENCE 60

// A lead smaller than this is none: the text does not tell.
static const double language_lead_min = 0.02;

// A language that is not served must lead by this to be the clear one; by the smaller figure if the text
// has no word at all that the best of those served knows.
static const double language_unserved_lead = 4.0;
static const double language_unserved_lead_no_words = 2.0;

// Of a language that has no words here CLD2 alone can tell: it must be sure, of most of the text, by this
// score, and the best of those served must know less than one word in four.
static const double language_cld2_alone_score = 40.0;
#define CLD2_ALONE_PERCENT 70

// A post is mixed if each of two languages alone knows this many of its words, and neither knows 3/2 of the
// other's; or if this share of its letters is not of the script of the best language.
#define MIXED_WORDS_MIN 4
static const double language_mixed_share = 0.4;

// In an English post this many words of Hindi in Latin letters, if they are one in this many, make it Hindi.
#define ROMANISED_WORDS_MIN 2
#define ROMANISED_SHARE 3
static const double language_romanised_lead = 1.0;

// How much a word with a digit among its letters speaks for Arabic in Latin letters.
static const double language_chat_digit_weight = 1.5;

// With fewer words a post that cannot be told is called too short, else undecided.
#define SHORT_WORDS 3

// The sum of evidence overstates, since neighbouring words are not independent; confidence divides by this.
static const double language_confidence_scale = 2.0;

enum kind { WORDS, SPELLING, SCRIPT, CLD2, HINTS, SIZE, KIND_COUNT };

static const char *const language_kind_names[KIND_COUNT] = { "function words", "spelling", "script",
                                                             "cld2",           "hint",     "close call" };

// Standards of what is one language to its speakers: a post in the one goes to those who serve the other.
static const int language_relatives[][2] = {
    { LANGUAGE_INDEX_hr, LANGUAGE_INDEX_bs },           { LANGUAGE_INDEX_hr, LANGUAGE_INDEX_sr },
    { LANGUAGE_INDEX_bs, LANGUAGE_INDEX_sr },           { LANGUAGE_INDEX_id, LANGUAGE_INDEX_ms },
    { LANGUAGE_INDEX_hi_Latn, LANGUAGE_INDEX_ur_Latn },
};

// Languages in the order of their totals, best first; -1 where there is none.
struct ranking {
    int first;  // of those served
    int second; // of those served
    int unserved;
};

// Languages in Latin letters that are written in others as well.
static const int romanised_languages[] = {
#define LANGUAGE(code, script, speakers)
#define ROMANISED(code, speakers) LANGUAGE_INDEX_##code##_Latn,
#include "broker/triage/languages.def"
};

#define ROMANISED_COUNT (sizeof romanised_languages / sizeof *romanised_languages)

struct weights {
    double kind[KIND_COUNT][LANGUAGE_COUNT];
    double total[LANGUAGE_COUNT];
    bool served[LANGUAGE_COUNT];
    bool overlooked[LANGUAGE_COUNT]; // not served, but whoever serves its relative understands it
    int platform;                    // language of the platform's tag; -1 if it is none of ours
    int author;                      // of the author's earlier posts, likewise
    bool ranked;                     // `ranking` is that of the totals as they are
    struct ranking ranking;          //
    struct cld2_answer open_answer;  // without a hint; all zero if CLD2 was not asked
    struct word_evidence evidence;
};

// Index of a tag such as "pt-BR", "nb" or the given-up "iw", and of "hi-Latn"; -1 if it is none of ours.
static int language_of_tag(const char *tag)
{
    static const char *const renamed[][2] = { { "iw", "he" }, { "in", "id" }, { "ji", "yi" },
                                              { "nb", "no" }, { "nn", "no" }, { "fil", "tl" } };
    char code[LANGUAGE_CODE_BYTES] = "";
    if (tag == NULL || tag[0] == '\0') {
        return -1;
    }
    size_t bytes = strcspn(tag, "-_");
    if (bytes == 0 || bytes >= sizeof code) {
        return -1;
    }
    for (size_t i = 0; i < bytes; i++) {
        code[i] = (char) tolower((unsigned char) tag[i]);
    }
    int language = function_words_language(code);
    if (language >= 0 && tag[bytes] == '\0') {
        return language;
    }
    for (size_t i = 0; language < 0 && i < sizeof renamed / sizeof *renamed; i++) {
        if (strcmp(code, renamed[i][0]) == 0) {
            language = function_words_language(strcpy(code, renamed[i][1]));
        }
    }
    if (strncasecmp(tag + bytes, "-Latn", 5) == 0 && bytes + 5 < sizeof code) {
        char romanised[LANGUAGE_CODE_BYTES];
        snprintf(romanised, sizeof romanised, "%.2s-Latn", code);
        int in_latin_letters = function_words_language(romanised);
        if (in_latin_letters >= 0) {
            return in_latin_letters;
        }
    }
    return language;
}

bool language_is_known(const char *code)
{
    return language_of_tag(code) >= 0;
}

const char *language_rival(const char *code)
{
    static const char *const rivals[][2] = { { "bs", "hr" }, { "ms", "id" }, { "ur-Latn", "hi-Latn" } };
    for (size_t i = 0; i < sizeof rivals / sizeof *rivals; i++) {
        if (strcmp(rivals[i][0], code) == 0) {
            return rivals[i][1];
        }
    }
    return NULL;
}

static void language_add(struct weights *weights, enum kind kind, int language, double weight)
{
    weights->kind[kind][language] += weight;
    weights->total[language] += weight;
    weights->ranked = false;
}

// True if whoever serves `served` understands `language`: standards of one language, a language in Latin letters, and,
// as far as the text allows, Han without kana for Japanese.
static void language_overlook(struct weights *weights, int served, int language)
{
    if (weights->served[served] && !weights->served[language]) {
        weights->overlooked[language] = true;
    }
}

static void language_mark_served(struct weights *weights, const struct language_request *request)
{
    for (int i = 0; i < LANGUAGE_COUNT; i++) {
        weights->served[i] = request->served_count == 0;
    }
    for (size_t i = 0; i < request->served_count; i++) {
        int language = language_of_tag(request->served[i]);
        if (language >= 0) {
            weights->served[language] = true;
        }
    }
    for (size_t i = 0; i < ROMANISED_COUNT; i++) {
        if (weights->served[function_words_parent(romanised_languages[i])]) {
            weights->served[romanised_languages[i]] = true;
        }
    }
    for (size_t i = 0; i < sizeof language_relatives / sizeof *language_relatives; i++) {
        language_overlook(weights, language_relatives[i][0], language_relatives[i][1]);
        language_overlook(weights, language_relatives[i][1], language_relatives[i][0]);
    }
}

// Characters of Chinese that no Japanese has.
static bool language_says_chinese(const char *text)
{
    static const char *const characters[] = { "吗", "嗎", "呢", "们", "們", "这", "您", "妳", "她", "没", "么", "麼",
                                              "怎", "吧", "给", "对", "说", "请", "让", "过", "还", "个", "为", "从" };
    int count = 0;
    if (strpbrk(text, "\xE4\xE5\xE6\xE7\xE8\xE9") == NULL) { // bytes that all of them begin with
        return false;
    }
    for (size_t i = 0; i < sizeof characters / sizeof *characters; i++) {
        count += strstr(text, characters[i]) != NULL;
    }
    return count >= 2;
}

// What speaks for a language that is overlooked speaks for its relative that is served.
static void language_lend_evidence(struct weights *weights, int served, int language)
{
    if (!weights->served[served] || !weights->overlooked[language]) {
        return;
    }
    for (int kind = 0; kind < SIZE; kind++) {
        if (weights->kind[kind][language] > weights->kind[kind][served]) {
            weights->total[served] += weights->kind[kind][language] - weights->kind[kind][served];
            weights->kind[kind][served] = weights->kind[kind][language];
            weights->ranked = false;
        }
    }
    if (weights->evidence.known[language] > weights->evidence.known[served]) {
        weights->evidence.known[served] = weights->evidence.known[language];
    }
    if (weights->evidence.script[language] > weights->evidence.script[served]) {
        weights->evidence.script[served] = weights->evidence.script[language];
    }
}

static void language_lend_all_evidence(struct weights *weights)
{
    for (size_t i = 0; i < sizeof language_relatives / sizeof *language_relatives; i++) {
        language_lend_evidence(weights, language_relatives[i][0], language_relatives[i][1]);
        language_lend_evidence(weights, language_relatives[i][1], language_relatives[i][0]);
    }
    language_lend_evidence(weights, LANGUAGE_INDEX_ja, LANGUAGE_INDEX_zh);
}

static double language_size_weights[LANGUAGE_COUNT];
static pthread_once_t language_sizes_weighed = PTHREAD_ONCE_INIT;

static void language_weigh_sizes(void)
{
    for (int i = 0; i < LANGUAGE_COUNT; i++) {
        language_size_weights[i] =
            language_size_weight * log(fmin(function_words_speakers(i), language_size_millions_max));
    }
}

static void language_weigh_words(struct weights *weights, const struct plain_text *plain)
{
    pthread_once(&language_sizes_weighed, language_weigh_sizes);
    function_words_weigh(plain->text, plain->bytes, &weights->evidence);
    double script = language_script_weight + language_script_word * weights->evidence.word_count;
    for (int i = 0; i < LANGUAGE_COUNT; i++) {
        language_add(weights, WORDS, i, language_words_weight * weights->evidence.words[i]);
        language_add(weights, SPELLING, i, language_spelling_weight * weights->evidence.spelling[i]);
        language_add(weights, SCRIPT, i, script * weights->evidence.script[i]);
        language_add(weights, SIZE, i, language_size_weights[i]);
    }
}

static struct ranking language_rank(struct weights *weights)
{
    struct ranking ranking = { -1, -1, -1 };
    if (weights->ranked) {
        return weights->ranking;
    }
    for (int i = 0; i < LANGUAGE_COUNT; i++) {
        if (weights->overlooked[i]) {
            continue;
        }
        if (!weights->served[i]) {
            if (ranking.unserved < 0 || weights->total[i] > weights->total[ranking.unserved]) {
                ranking.unserved = i;
            }
        } else if (ranking.first < 0 || weights->total[i] > weights->total[ranking.first]) {
            ranking.second = ranking.first;
            ranking.first = i;
        } else if (ranking.second < 0 || weights->total[i] > weights->total[ranking.second]) {
            ranking.second = i;
        }
    }
    weights->ranking = ranking;
    weights->ranked = true;
    return ranking;
}

// Raises a romanised language above English where it is behind it only for the English that is mixed in: whoever writes
// Hindi in Latin letters does so, and no one does it the other way round.
static void language_raise_romanised(struct weights *weights)
{
    struct ranking ranking = language_rank(weights);
    if (ranking.first != LANGUAGE_INDEX_en) {
        return;
    }
    int best = -1;
    int most = 0;
    for (size_t i = 0; i < ROMANISED_COUNT; i++) {
        int language = romanised_languages[i];
        int own = 0;
        int english = 0;
        if (!weights->served[language]) {
            continue;
        }
        function_words_apart(&weights->evidence, language, LANGUAGE_INDEX_en, &own, &english);
        if (own > most && own >= ROMANISED_WORDS_MIN && ROMANISED_SHARE * own >= weights->evidence.word_count) {
            best = language;
            most = own;
        }
    }
    if (best >= 0) {
        language_add(weights, WORDS, best,
                     weights->total[LANGUAGE_INDEX_en] + language_romanised_lead - weights->total[best]);
    }
}

static bool language_ends_chat_word(char c)
{
    return c == ' ' || c == '.' || c == ',' || c == '!' || c == '?' || c == ';' || c == ':' || c == '\n' || c == '"' ||
           c == '\0';
}

// How many words have a 2, 3, 5, 7 or 9 among their letters, as Arabic in Latin letters writes sounds that these lack:
// 3ayez, terga3, la2i.
static int language_count_chat_digits(const char *text)
{
    int count = 0;
    for (const char *word = text; *word != '\0';) {
        size_t letters = 0;
        size_t digits = 0;
        bool doubled = false;
        bool after_digit = false;
        for (;; word++) {
            bool digit = *word == '2' || *word == '3' || *word == '5' || *word == '7' || *word == '9';
            if (!digit && !(*word >= 'a' && *word <= 'z') && *word != '\'') {
                break;
            }
            doubled = doubled || (digit && after_digit);
            digits += digit;
            letters += !digit;
            after_digit = digit;
        }
        count += language_ends_chat_word(*word) && !doubled && digits > 0 && letters >= 3 && letters > digits;
        while (!language_ends_chat_word(*word)) { // the rest of what was no such word
            word++;
        }
        word += *word != '\0';
    }
    return count;
}

// CLD2's score for a language in its answer, for the text as a whole; 0 if it is not in it.
static double language_cld2_score(const struct cld2_answer *answer, const char *code)
{
    for (int i = 0; i < CLD2_ANSWERS; i++) {
        if (strcmp(answer->language[i], code) == 0) {
            double score = answer->score[i] * answer->percent[i] / 100 * answer->text_bytes / 1024;
            return score < language_cld2_score_max ? score : language_cld2_score_max;
        }
    }
    return 0;
}

static void language_ask(const struct plain_text *plain, const char *hint, struct cld2_answer *answer)
{
    size_t bytes = plain->bytes;
    if (bytes > CLD2_BYTES_MAX) {
        for (bytes = CLD2_BYTES_MAX; ((unsigned char) plain->text[bytes] & 0xC0) == 0x80; bytes--) {
            ;
        }
    }
    cld2_ask(plain->text, bytes, hint, answer);
}

// Without a hint: what CLD2 thinks of languages that are not served, or too many to be asked about.
static void language_ask_openly(struct weights *weights, const struct plain_text *plain)
{
    struct cld2_answer *answer = &weights->open_answer;
    language_ask(plain, NULL, answer);
    for (int i = 0; i < CLD2_ANSWERS; i++) {
        int language = language_of_tag(answer->language[i]);
        if (language >= 0 && weights->kind[CLD2][language] == 0) {
            language_add(weights, CLD2, language,
                         language_cld2_weight * language_cld2_score(answer, answer->language[i]));
        }
    }
}

// True if a language may still be the answer, or leave it open: nobody is further ahead of it than all that CLD2 and
// the hints could say for it.
static bool language_within_reach(struct weights *weights, int language)
{
    double hint = language == weights->author ? language_author_weight : 0;
    double reach = language_cld2_weight * language_cld2_score_max + hint + language_lead_min;
    double best = weights->total[language_rank(weights).first];
    return language == weights->platform || weights->total[language] - weights->kind[CLD2][language] + reach >= best;
}

// The likeliest of those served that are within reach and not yet in `asked`, -1 if there is none.
static int language_likeliest(struct weights *weights, const bool *asked)
{
    int best = -1;
    for (int i = 0; i < LANGUAGE_COUNT; i++) {
        if (weights->served[i] && !asked[i] && (best < 0 || weights->total[i] > weights->total[best]) &&
            language_within_reach(weights, i)) {
            best = i;
        }
    }
    return best;
}

// With each of the likeliest as a hint, which makes CLD2 tell close languages apart by what speaks for each.
static void language_ask_with_hints(struct weights *weights, const struct plain_text *plain)
{
    bool asked[LANGUAGE_COUNT] = { false };
    for (int n = 0; n < CLD2_HINTS_MAX; n++) {
        int language = language_likeliest(weights, asked);
        if (language < 0) {
            return;
        }
        asked[language] = true;
        struct cld2_answer answer;
        const char *code = function_words_code(language);
        language_ask(plain, code, &answer);
        double weight = language_cld2_weight * language_cld2_score(&answer, code);
        language_add(weights, CLD2, language, weight - weights->kind[CLD2][language]);
    }
}

static bool language_cld2_agrees(const struct weights *weights, int language)
{
    return language_of_tag(weights->open_answer.language[0]) == language;
}

// True if nothing that CLD2 may say can make it another language.
static bool language_certain(struct weights *weights)
{
    struct ranking ranking = language_rank(weights);
    if (ranking.first < 0 || CERTAIN_WORDS * weights->evidence.known[ranking.first] < weights->evidence.word_count) {
        return false;
    }
    double total = weights->total[ranking.first];
    return (ranking.second < 0 || total - weights->total[ranking.second] > language_certain_lead) &&
           (ranking.unserved < 0 || total - weights->total[ranking.unserved] > language_certain_lead);
}

static void language_weigh_cld2(struct weights *weights, const struct plain_text *plain)
{
    language_lend_all_evidence(weights);
    if (weights->evidence.letter_count < CLD2_LETTERS_MIN || language_certain(weights)) {
        return;
    }
    language_ask_openly(weights, plain);
    language_lend_all_evidence(weights);
    struct ranking ranking = language_rank(weights);
    bool sure =
        ranking.first >= 0 && language_cld2_agrees(weights, ranking.first) &&
        (ranking.second < 0 || weights->total[ranking.first] - weights->total[ranking.second] > language_sure_lead);
    if (!sure) {
        language_ask_with_hints(weights, plain);
    }
}

static void language_weigh_hints(struct weights *weights)
{
    if (weights->platform >= 0 && weights->served[weights->platform]) {
        language_add(weights, HINTS, weights->platform, language_platform_weight);
    }
    if (weights->author >= 0 && weights->served[weights->author]) {
        language_add(weights, HINTS, weights->author, language_author_weight);
    }
}

static double language_total_without_hints(const struct weights *weights, int language)
{
    return weights->total[language] - weights->kind[HINTS][language];
}

// True if the text speaks clearly for a language that the brand does not serve.
static bool language_clearly_unserved(const struct weights *weights, const struct ranking *ranking)
{
    if (ranking->unserved < 0) {
        return false;
    }
    double lead = weights->total[ranking->unserved] - language_total_without_hints(weights, ranking->first);
    return lead > language_unserved_lead ||
           (lead > language_unserved_lead_no_words && weights->evidence.known[ranking->first] == 0);
}

// True if CLD2, and nothing else, tells that the text is in a language that the brand does not serve.
static bool language_unserved_by_cld2(const struct weights *weights, int first)
{
    const struct cld2_answer *answer = &weights->open_answer;
    int language = language_of_tag(answer->language[0]);
    return answer->reliable && answer->percent[0] >= CLD2_ALONE_PERCENT &&
           (language < 0 || (!weights->served[language] && !weights->overlooked[language])) &&
           language_cld2_score(answer, answer->language[0]) >= language_cld2_alone_score &&
           4 * weights->evidence.known[first] < weights->evidence.word_count;
}

// True if two languages share the text so evenly that neither can be called its language.
static bool language_mixed(const struct weights *weights, int one, int other)
{
    double one_script = weights->evidence.script[one];
    double other_script = weights->evidence.script[other];
    if (one_script > language_mixed_share && other_script > language_mixed_share && one_script + other_script < 1.01) {
        return true;
    }

    // Whoever writes Hindi in Latin letters mixes it with English, and reads it.
    if (function_words_parent(one) >= 0 || function_words_parent(other) >= 0) {
        return false;
    }
    int only_one, only_other;
    function_words_apart(&weights->evidence, one, other, &only_one, &only_other);
    int fewer = only_one < only_other ? only_one : only_other;
    int more = only_one < only_other ? only_other : only_one;
    return fewer >= MIXED_WORDS_MIN && 2 * more <= 3 * fewer;
}

// True if anything but its size speaks for the language.
static bool language_spoken_for(const struct weights *weights, int language)
{
    return weights->evidence.known[language] > 0 || weights->kind[SPELLING][language] > 0 ||
           weights->kind[CLD2][language] > 0 || weights->kind[HINTS][language] > 0 ||
           function_words_has_own_script(language);
}

// How likely the first is among those served and the best of the rest, 0 to 99.
static int language_confidence(const struct weights *weights, const struct ranking *ranking)
{
    double sum = 0;
    for (int i = 0; i < LANGUAGE_COUNT; i++) {
        if (weights->served[i] || i == ranking->unserved) {
            sum += exp((weights->total[i] - weights->total[ranking->first]) / language_confidence_scale);
        }
    }
    int percent = (int) (100 / sum);
    return percent < 1 ? 1 : percent > 99 ? 99 : percent;
}

// Names the kind of evidence that did most for the lead over the runner-up, and those that did half as much.
static void language_name_kinds(const struct weights *weights, int first, int second, char *reason)
{
    double leads[KIND_COUNT];
    double largest = 0;
    size_t written = 0;
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        leads[kind] = weights->kind[kind][first] - (second < 0 ? 0 : weights->kind[kind][second]);
        largest = leads[kind] > largest ? leads[kind] : largest;
    }
    strcpy(reason, "close call");
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        if (leads[kind] > 0 && leads[kind] * 2 >= largest) {
            char *end = stpcpy(reason + written, written > 0 ? ", " : "");
            written = (size_t) (stpcpy(end, language_kind_names[kind]) - reason);
        }
    }
}

static void language_say_unserved(struct language_verdict *out, const char *code)
{
    snprintf(out->reason, sizeof out->reason, "clearly %s, which is not served", code);
}

static void language_say_mixed(struct language_verdict *out, int one, int other)
{
    snprintf(out->reason, sizeof out->reason, "mixed %s, %s", function_words_code(one), function_words_code(other));
}

// The reason why none of those served is the answer, if there is one.
static bool language_refuse(const struct weights *weights, const struct ranking *ranking, struct language_verdict *out)
{
    int first = ranking->first;
    int unserved = ranking->unserved;
    int rival = ranking->second >= 0 ? ranking->second : unserved;
    if (first < 0) {
        strcpy(out->reason, "no language served that can be told");
    } else if (unserved >= 0 && language_mixed(weights, first, unserved)) {
        language_say_mixed(out, first, unserved);
    } else if (language_clearly_unserved(weights, ranking) &&
               2 * weights->evidence.known[unserved] > weights->evidence.word_count) {
        language_say_unserved(out, function_words_code(unserved));
    } else if (language_unserved_by_cld2(weights, first)) {
        language_say_unserved(out, weights->open_answer.language[0]);
    } else if (language_clearly_unserved(weights, ranking)) {
        language_say_unserved(out, function_words_code(unserved));
    } else if (ranking->second >= 0 && language_mixed(weights, first, ranking->second)) {
        language_say_mixed(out, first, ranking->second);
    } else if (!language_spoken_for(weights, first) ||
               (rival >= 0 && weights->total[first] - weights->total[rival] < language_lead_min)) {
        strcpy(out->reason, weights->evidence.word_count < SHORT_WORDS ? "too short" : "undecided");
    } else {
        return false;
    }
    return true;
}

// True if a tag is a code, or one of its regions or scripts; - and _ are the same.
static bool language_tag_is(const char *tag, const char *code)
{
    size_t i = 0;
    for (; code[i] != '\0'; i++) {
        if (tolower((unsigned char) code[i]) != (tag[i] == '_' ? '-' : tolower((unsigned char) tag[i]))) {
            return false;
        }
    }
    return tag[i] == '\0' || tag[i] == '-' || tag[i] == '_';
}

// The code that the brand serves a language under: the region of the platform's tag if it is served, else the language
// itself, its romanised form, or the first region of it.
static const char *language_served_code(const struct language_request *request, int language)
{
    const char *found = NULL;
    int parent = function_words_parent(language);
    for (size_t i = 0; i < request->served_count; i++) {
        const char *code = request->served[i];
        int one = language_of_tag(code);
        if (one < 0 || (one != language && one != parent)) {
            continue;
        }
        if (request->platform_tag != NULL && strpbrk(code, "-_") != NULL &&
            language_tag_is(request->platform_tag, code)) {
            return code;
        }
        if (found == NULL || strcmp(code, function_words_code(language)) == 0 ||
            (strpbrk(code, "-_") == NULL && one == language)) {
            found = code;
        }
    }
    return found != NULL ? found : function_words_code(language);
}

static void language_answer(const struct language_request *request, int language, struct language_verdict *out)
{
    const char *code = language_served_code(request, language);
    size_t bytes = strnlen(code, sizeof out->language - 1);
    memcpy(out->language, code, bytes);
    out->language[bytes] = '\0';
}

// How much the text says for a language, without hints and size.
static double language_said(const struct weights *weights, int language)
{
    return language_total_without_hints(weights, language) - weights->kind[SIZE][language];
}

// True if the text says nothing against a language: no other one that is served leads by a word.
static bool language_text_allows(const struct weights *weights, int language)
{
    for (int i = 0; i < LANGUAGE_COUNT; i++) {
        if (i != language && (weights->served[i] || !weights->overlooked[i]) && function_words_parent(i) != language &&
            language_said(weights, i) - language_said(weights, language) >
                (weights->served[i] ? language_tag_lead : language_unserved_lead)) {
            return false;
        }
    }
    return true;
}

// The platform's own tag, where the text says nothing against it.  Returns true if it settles the answer.
static bool language_believe_tag(struct weights *weights, const struct language_request *request,
                                 struct language_verdict *out)
{
    const char *tag = request->platform_tag;
    if (tag == NULL || tag[0] == '\0') {
        return false;
    }
    int language = weights->platform;
    if (language >= 0 && weights->served[language] && language_text_allows(weights, language)) {
        language_answer(request, language, out);
        out->confidence = TAG_CONFIDENCE;
        strcpy(out->reason, "the platform's tag");
        return true;
    }
    // One that we know nothing of can be served by the tag alone; then a quarter of known words speaks against it.
    for (size_t i = 0; i < request->served_count && language < 0; i++) {
        struct ranking ranking = language_rank(weights);
        bool known = ranking.first >= 0 && 4 * weights->evidence.known[ranking.first] >= weights->evidence.word_count &&
                     weights->evidence.word_count > 0;
        if (!language_tag_is(tag, request->served[i]) || known) {
            continue;
        }
        snprintf(out->language, sizeof out->language, "%s", request->served[i]);
        out->confidence = TAG_CONFIDENCE;
        strcpy(out->reason, "the platform's tag");
        return true;
    }
    return false;
}

static void language_decide(struct weights *weights, const struct language_request *request,
                            struct language_verdict *out)
{
    struct ranking ranking = language_rank(weights);
    bool refused = language_refuse(weights, &ranking, out);
    struct language_verdict told = { .language = LANGUAGE_UNKNOWN };
    if (!refused) {
        language_answer(request, ranking.first, out);
        out->confidence = language_confidence(weights, &ranking);
        language_name_kinds(weights, ranking.first, ranking.second >= 0 ? ranking.second : ranking.unserved,
                            out->reason);
        if (function_words_parent(ranking.first) >= 0) {
            char kinds[LANGUAGE_REASON_BYTES];
            snprintf(kinds, sizeof kinds, "%s", out->reason);
            snprintf(out->reason, sizeof out->reason, "%s, %.80s", function_words_code(ranking.first), kinds);
        }
    }
    if (!language_believe_tag(weights, request, &told)) {
        return;
    }
    // What the tag only confirms is told as the text tells it.
    if (refused || strcmp(told.language, out->language) != 0) {
        *out = told;
    } else if (out->confidence < told.confidence) {
        out->confidence = told.confidence;
    }
}

void language_detect(const char *text, const struct language_request *request, struct language_verdict *out)
{
    must(request->served_count <= LANGUAGE_SERVED_COUNT);
    *out = (struct language_verdict){ .language = LANGUAGE_UNKNOWN };

    struct plain_text plain = { 0 };
    struct weights weights;
    memset(&weights, 0, offsetof(struct weights, evidence));
    weights.platform = language_of_tag(request->platform_tag);
    weights.author = language_of_tag(request->author_earlier);
    plain_text_for_language(&plain, text, strlen(text));
    language_mark_served(&weights, request);
    if (weights.served[LANGUAGE_INDEX_ja] && !weights.served[LANGUAGE_INDEX_zh] && !language_says_chinese(plain.text)) {
        weights.overlooked[LANGUAGE_INDEX_zh] = true;
    }
    language_weigh_words(&weights, &plain);
    int chat_digits = language_count_chat_digits(text);
    if (chat_digits > 1 || (chat_digits > 0 && weights.evidence.known[LANGUAGE_INDEX_ar_Latn] > 0)) {
        language_add(&weights, SPELLING, LANGUAGE_INDEX_ar_Latn, language_chat_digit_weight * chat_digits);
    }
    if (weights.evidence.word_count > 0) {
        language_weigh_cld2(&weights, &plain);
        language_raise_romanised(&weights);
        language_weigh_hints(&weights);
        language_decide(&weights, request, out);
    } else if (!language_believe_tag(&weights, request, out)) {
        strcpy(out->reason, "no words");
    }
    plain_text_fini(&plain);
}
