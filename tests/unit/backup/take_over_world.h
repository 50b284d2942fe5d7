/* tests/unit/backup/take_over_world.h - people with cards and tokens, a backup, and a take-over from it. Thread: one. */
#pragma once
#include "tests/support/world.h"

enum { TOKEN_MAX = 64 };

/** A world on disk with the schemas and templates that follow; dir/b1 is where the backup goes. */
void people_new(struct world *world, bool has_journal);
/** The same with @p quorum of @p keepers, and a journal. */
void people_new_kept(struct world *world, unsigned quorum, unsigned keepers);
/** The same as the options say. */
void people_new_with(struct world *world, const struct world_options *options);
/** Somebody with a profile: email NAME@example.org, IP address. */
void people_create(struct world *world, const char *name);
/** A token of a card of NAME's, made with the card. @param template_ card, opaque or same (deterministic) */
void people_tokenize(struct world *world, const char *name, const char *template_, const char *pan, char out_token[TOKEN_MAX]);
/** @return the status; the value as text */
vault_status people_reveal(struct world *world, const char *role, const char *token, char out_value[64]);
/** How many subjects have this e-mail address, by exact search. */
size_t people_find(struct world *world, const char *field, const char *value);
/** A field of NAME's profile as text; "" when the record has none. */
vault_status people_field(struct world *world, const char *name, const char *field, char out_value[64]);
void people_put(struct world *world, const char *name, const char *fields);
void people_correct(struct world *world, const char *name, const char *fields, bool forget_old);
void people_back_up(struct world *world, const char *name);
/** backup.restore --take-over from dir/@p name; @p out_result NULL allowed. Does not restart. */
vault_status people_take_over(struct world *world, const char *name, struct vt_value *out_result);
/** store.check and audit.verify find nothing. */
void people_assert_sound(struct world *world);
int64_t people_incarnation(struct world *world);
