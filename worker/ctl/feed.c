// feed.c - behalf-ctl feed: brings in the posts of a CSV or NDJSON file.

#include "worker/ctl/ctl.h"
#include "worker/ctl/feed_cursor.h"
#include "worker/ctl/feed_map.h"
#include "worker/ctl/feed_run.h"
#include "worker/ctl/output.h"
#include "worker/ctl/row_reader.h"

#include "proto/base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum option_key {
    OPTION_FORMAT = 'f',
    OPTION_MAP = 'm',
    OPTION_CHANNEL = 'c',
    OPTION_BRAND = 'B',
    OPTION_STRICT = 's',
    OPTION_QUIET = 'q',
    OPTION_DELIMITER = 0x100,
    OPTION_VALUE,
    OPTION_VALUES,
    OPTION_TIME_FORMAT,
    OPTION_ZONE,
    OPTION_FROM,
    OPTION_CURSOR,
    OPTION_DRY_RUN,
    OPTION_JSON,
    OPTION_FIELDS
};

struct feed_options {
    struct ctl_options *common;
    struct feed_map *map;
    const char *path; // NULL or "-": standard input
    enum row_format format;
    char delimiter;
    uint64_t from_row; // 0: not given
    const char *cursor_path;
    bool strict, quiet, json, dry_run, fields;
};

static const struct argp_option feed_argp_options[] = {
    { NULL, 0, NULL, 0, "What the columns are:", 1 },
    { "map", OPTION_MAP, "FIELD=COLUMN", 0,
      "The field of the post comes from this column (of NDJSON: key, or keys joined by dots); FIELD==TEXT: it is this "
      "text in every row; FIELD=: it is left out.  A column with a field's own name needs no --map",
      1 },
    { "channel", OPTION_CHANNEL, "NAME", 0, "The channel of every row; the same as --map channel==NAME", 1 },
    { "brand", OPTION_BRAND, "NAME", 0, "The brand of every row; the same as --map brand==NAME", 1 },
    { "value", OPTION_VALUE, "FIELD:FROM=TO", 0,
      "Where the file says FROM it is TO; once a field has such values, any other makes the row a bad one, unless * is "
      "among them",
      1 },
    { "values", OPTION_VALUES, "FIELD=FILE", 0, "The same from a CSV file whose first line is from,to", 1 },
    { "time-format", OPTION_TIME_FORMAT, "FORMAT", 0,
      "How posted_ms is written: as for strptime, or epoch, or epoch-ms; several are tried in turn (default: ISO 8601, "
      "Twitter's, and whole numbers of 10 or 13 digits)",
      1 },
    { "zone", OPTION_ZONE, "ZONE", 0, "Of times that name no zone: as +02:00 or Europe/Berlin (default: UTC)", 1 },
    { "fields", OPTION_FIELDS, NULL, 0, "Print the fields that a post has", 1 },

    { NULL, 0, NULL, 0, "How the file is read:", 2 },
    { "format", OPTION_FORMAT, "csv|ndjson", 0, "Default: by the name's ending or the first byte", 2 },
    { "delimiter", OPTION_DELIMITER, "CHARACTER", 0,
      "Between columns of CSV, or tab (default: , ; or tab, whichever the "
      "first line has most of)",
      2 },
    { "from", OPTION_FROM, "ROW", 0, "Begin at this row; the first after the header is 1", 2 },
    { "cursor", OPTION_CURSOR, "FILE", 0, "Keep in this file how far it has come, and go on from there", 2 },
    { "strict", OPTION_STRICT, NULL, 0, "Stop at the first bad row", 2 },
    { "dry-run", OPTION_DRY_RUN, NULL, 0, "Check every row, and send nothing", 2 },

    { NULL, 0, NULL, 0, "What is shown:", 3 },
    { "quiet", OPTION_QUIET, NULL, 0, "No progress, even on a terminal", 3 },
    { "json", OPTION_JSON, NULL, 0, "The summary as a JSON object", 3 },
    { 0 }
};

static const char feed_doc[] =
    "Brings in the posts of a CSV (RFC 4180, with a header line) or JSON file (one object a line, or a list), or of "
    "standard input.\v"
    "Feeding again is safe: the broker knows what it has taken and counts it as repeated; where another author or text "
    "stands under a known id it says so.  Ids that a spreadsheet has rounded (1.29403E+18, or zeros at their end) stop "
    "the file.\n"
    "\n"
    "A detail that a post can be without does not cost the post: a link or language that is too long and a reach that "
    "is no number (1.2K and 12,345 are) are left out, a text is cut, a long thread shortened, broken characters become "
    "U+FFFD, and UTF-8 that was read as Latin-1 is read anew.  The first such rows are told, all are counted.  A bad "
    "row (wrong number of columns, not UTF-8 in a file that never was, a needed field missing or too long, a time that "
    "is not understood, refused by the broker) is reported on standard error with its line, counted and skipped.  Of "
    "CSV, a first line sep=;, empty cells behind the last column and rows of empty cells are passed over; of JSON, "
    "objects may stand one a line or in a list.  Columns are found whatever their capitals and blanks.\n"
    "\n"
    "--zone takes an offset or a zone's name.  Where clocks are put back and show a time twice, the first is meant; a "
    "time that they skip is counted on with the clock as it was before.\n"
    "\n"
    "Ctrl-C stops once what is in flight is answered, and says how to go on.  The last lines, on standard output, are "
    "the summary.\n"
    "\n"
    "Exit status: 0 the whole file is in (bad rows aside); 1 stopped by --strict, refused by the broker, or bad rows "
    "in a --dry-run; 2 wrong usage, the file cannot be read, or its ids are rounded; 3 no broker; 4 the file has rows, "
    "and none is in; 130 Ctrl-C.\n"
    "\n"
    "Examples:\n"
    "  behalf-ctl feed posts.ndjson --cursor posts.cursor\n"
    "  behalf-ctl feed tweets.csv --channel twitter --map post=tweet_id \\\n"
    "      --map author=name --map posted_ms=tweet_created --map brand=airline \\\n"
    "      --value 'brand:Virgin America=virgin' --value 'brand:*=other'\n"
    "  zcat export.csv.gz | behalf-ctl feed - --channel mail --brand acme \\\n"
    "      --map post=id --map author=from --strict\n";

static enum row_format feed_parse_format(struct argp_state *state, const char *text)
{
    if (strcmp(text, "csv") == 0) {
        return ROW_FORMAT_CSV;
    }
    if (strcmp(text, "ndjson") != 0) {
        argp_error(state, "--format: %s is neither csv nor ndjson", text);
    }
    return ROW_FORMAT_NDJSON;
}

static char feed_parse_delimiter(struct argp_state *state, const char *text)
{
    if (strcmp(text, "tab") == 0 || strcmp(text, "\\t") == 0) {
        return '\t';
    }
    if (strlen(text) != 1 || strchr("\"\r\n", text[0]) != NULL || (unsigned char) text[0] >= 0x80) {
        argp_error(state, "--delimiter: should be one character, or tab");
    }
    return text[0];
}

// Options that go to the map.
static bool feed_parse_mapping(struct feed_options *options, int key, const char *argument, char *fault)
{
    switch (key) {
    case OPTION_MAP:
        return feed_map_add(options->map, argument, fault);
    case OPTION_CHANNEL:
        return feed_map_constant(options->map, "channel", argument, fault);
    case OPTION_BRAND:
        return feed_map_constant(options->map, "brand", argument, fault);
    case OPTION_VALUE:
        return feed_map_add_value(options->map, argument, fault);
    case OPTION_VALUES:
        return feed_map_add_values(options->map, argument, fault);
    case OPTION_TIME_FORMAT:
        return feed_map_add_time_format(options->map, argument, fault);
    default:
        must(key == OPTION_ZONE);
        return feed_map_set_zone(options->map, argument, fault);
    }
}

static error_t feed_parse(int key, char *argument, struct argp_state *state)
{
    struct feed_options *options = state->input;
    char fault[FEED_FAULT_BYTES];
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = options->common;
        return 0;
    case OPTION_MAP:
    case OPTION_CHANNEL:
    case OPTION_BRAND:
    case OPTION_VALUE:
    case OPTION_VALUES:
    case OPTION_TIME_FORMAT:
    case OPTION_ZONE:
        if (!feed_parse_mapping(options, key, argument, fault)) {
            argp_error(state, "%s", fault);
        }
        return 0;
    case OPTION_FORMAT:
        options->format = feed_parse_format(state, argument);
        return 0;
    case OPTION_DELIMITER:
        options->delimiter = feed_parse_delimiter(state, argument);
        return 0;
    case OPTION_FROM:
        options->from_row = (uint64_t) ctl_number(state, "--from", argument, 1, INT64_MAX);
        return 0;
    case OPTION_CURSOR:
        options->cursor_path = argument;
        return 0;
    case OPTION_STRICT:
        options->strict = true;
        return 0;
    case OPTION_QUIET:
        options->quiet = true;
        return 0;
    case OPTION_JSON:
        options->json = true;
        return 0;
    case OPTION_DRY_RUN:
        options->dry_run = true;
        return 0;
    case OPTION_FIELDS:
        options->fields = true;
        return 0;
    case ARGP_KEY_ARG:
        if (options->path != NULL) {
            argp_error(state, "%s: one file at a time", argument);
        }
        options->path = argument;
        return 0;
    case ARGP_KEY_END:
        if (options->from_row && options->cursor_path != NULL) {
            argp_error(state, "--from and --cursor both say where to begin; give one");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static bool feed_from_stdin(const struct feed_options *options)
{
    return options->path == NULL || strcmp(options->path, "-") == 0;
}

static const char *feed_shown_name(const struct feed_options *options)
{
    return feed_from_stdin(options) ? "standard input" : options->path;
}

static int feed_open_input(const struct feed_options *options)
{
    if (feed_from_stdin(options)) {
        return dup(STDIN_FILENO);
    }
    int descriptor = open(options->path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (descriptor >= 0 && fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode)) {
        close(descriptor);
        errno = EISDIR;
        return -1;
    }
    return descriptor;
}

// What a cursor calls the input: the same file by whatever path.
static char *feed_cursor_source(const struct feed_options *options)
{
    char *name = feed_from_stdin(options) ? strdup("standard input") : realpath(options->path, NULL);
    must(name);
    return name;
}

static uint64_t feed_input_bytes(int descriptor)
{
    struct stat status;
    return fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) ? (uint64_t) status.st_size : 0;
}

static bool feed_bind_map(const struct feed_options *options, struct row_reader *reader)
{
    char *words = NULL;
    size_t bytes;
    FILE *problems = open_memstream(&words, &bytes);
    must(problems);
    size_t found = feed_map_bind(options->map, reader, problems);
    if (!found && !options->quiet && isatty(STDERR_FILENO)) {
        feed_map_describe(options->map, problems);
        fputc('\n', problems);
    }
    fclose(problems);
    for (char *line = words, *end; *line; line = end + 1) {
        must(end = strchr(line, '\n'));
        *end = '\0';
        ctl_complain(options->common, "%s: %s", feed_shown_name(options), line);
    }
    free(words);
    return !found;
}

static void feed_make_instance(char *instance, size_t bytes)
{
    uint64_t number;
    must(getrandom(&number, sizeof number, 0) == (ssize_t) sizeof number);
    snprintf(instance, bytes, "feed-%016" PRIx64, number);
}

// Signals are blocked before the client's threads are made, so that only feed_run's descriptor gets them.
static struct behalf_client *feed_connect_blocking_signals(const struct ctl_options *options)
{
    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    must(sigprocmask(SIG_BLOCK, &signals, &before) == 0);
    char instance[64];
    feed_make_instance(instance, sizeof instance);
    struct behalf_client *client = ctl_client_new(options, "connector", instance);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return client;
}

// The input is open and its columns are found.
static int feed_from(const struct feed_options *options, int input, struct row_reader *reader)
{
    uint64_t rows_before = options->from_row ? options->from_row - 1 : 0;
    char fault[1024];
    char *source = feed_cursor_source(options);
    int status = CTL_USAGE;
    struct behalf_client *client = NULL;
    const char *cursor_path = options->dry_run ? NULL : options->cursor_path;
    if (cursor_path != NULL && !feed_cursor_load(cursor_path, source, &rows_before, fault, sizeof fault)) {
        ctl_complain(options->common, "%s", fault);
    } else if (options->dry_run || (client = feed_connect_blocking_signals(options->common)) != NULL) {
        status = feed_run(&(struct feed_plan){
            .options = options->common,
            .name = feed_shown_name(options),
            .input = input,
            .reader = reader,
            .map = options->map,
            .client = client,
            .from_row = rows_before + 1,
            .cursor_path = cursor_path,
            .cursor_source = source,
            .input_bytes = feed_input_bytes(input),
            .strict = options->strict,
            .json = options->json,
            .quiet = options->quiet,
        });
    }
    ctl_client_end(&client);
    free(source);
    return status;
}

static int feed_file(const struct feed_options *options)
{
    int input = feed_open_input(options);
    if (input < 0) {
        ctl_complain(options->common, "%s: %s", feed_shown_name(options), strerror(errno));
        return CTL_USAGE;
    }
    const char *name = feed_from_stdin(options) ? "" : options->path;
    struct row_reader *reader = row_reader_new(input, name, options->format, options->delimiter);
    char fault[ROW_FAULT_BYTES];
    int status = CTL_USAGE;
    if (!row_reader_open(reader, fault)) {
        ctl_complain(options->common, "%s: %s", feed_shown_name(options), fault);
    } else if (feed_bind_map(options, reader)) {
        status = feed_from(options, input, reader);
    }
    row_reader_destroy(&reader);
    close(input);
    return status;
}

int feed_command(struct ctl_options *common, int argc, char **argv)
{
    struct feed_options options = { .common = common, .map = feed_map_new() };
    const struct argp argp = {
        .options = feed_argp_options,
        .parser = feed_parse,
        .args_doc = "[FILE|-]",
        .doc = feed_doc,
        .children = ctl_common_children,
    };
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    int status = CTL_DONE;
    if (options.fields) {
        feed_map_manual(stdout);
    } else if (feed_from_stdin(&options) && options.path == NULL && isatty(STDIN_FILENO)) {
        ctl_complain(common, "which file? (- for standard input; behalf-ctl feed --help)");
        status = CTL_USAGE;
    } else {
        status = feed_file(&options);
    }
    feed_map_destroy(&options.map);
    return status;
}
