/* tests/fuzz/round_trip.h - what holds of any value that a reader accepted. Thread: one. */
#pragma once
#include "libvault/codec/value.h"

/** msgpack and both styles of JSON give the value back. Ends the process otherwise. */
void fuzz_check_round_trips(const struct vt_value *value);
