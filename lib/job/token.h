/* token.h: what stops a run from outside of it. */
#ifndef PARCEL__TOKEN_H
#define PARCEL__TOKEN_H

#include <parcel.h>

/* Whoever cancels the token cancels the other one too; NULL: nobody. */
void parcel__token_pair(const parcel_token *token, parcel_token *other);

#endif
