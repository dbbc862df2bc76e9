// card_number.h - whether a text holds a payment card's number.

#ifndef DESK_CARD_NUMBER_H
#define DESK_CARD_NUMBER_H

#include <stdbool.h>

// True if the text (valid UTF-8) holds what looks like a payment card's number: digits of any script that begin as an
// issuer's numbers do, are as many as that issuer's numbers have, and pass the Luhn check.  Between two digits may
// stand up to three characters that are neither letters nor digits, invisible ones not counted; but groups of fewer
// than three digits are taken for one number only where they are alike, as prices and dates in a row are not.
// Digits inside a link (link.h) are not looked at, nor parts of a longer unbroken run of digits.
// Sources: ISO/IEC 7812-1, annex B (Luhn); the issuers' published ranges: Visa 4, 13, 16 or 19 digits; Mastercard 51-55
// and 2221-2720, 16; American Express 34 and 37, 15; Diners Club 30, 36, 38 and 39, 14; Discover 6011 and 644-65, JCB
// 35 and UnionPay 62, 16 to 19.
bool text_has_card_number(const char *text);

#endif
