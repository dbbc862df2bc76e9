// misread_text.h - UTF-8 that an exporter read as Latin-1 and wrote out again, made what it was.

#ifndef WORKER_MISREAD_TEXT_H
#define WORKER_MISREAD_TEXT_H

// A text in UTF-8 that was read as Latin-1 or Windows-1252, once or up to three times ("Ã¶"), as it was before.
// NULL when it does not look so beyond doubt; else memory of the caller's.  All that is beyond ASCII must have come
// from UTF-8, and at least one place be such as nobody writes.
char *mended_reading(const char *text);

#endif
