#!/usr/bin/env python3
"""Make the sample data of docs/examples/sample: people.csv and calls.csv.

Usage:  make_sample.py [FOLDER]            write both files into FOLDER (default: docs/examples/sample)
        make_sample.py --check [FOLDER]    compare what is there with what would be written; exit 1 when they differ
        make_sample.py --large FOLDER      the same for some thousand people, with notes that say what they hide, and
                                           facts.json, which says what a reader must count; for tests

Standard library only. The same bytes on every run and version of Python from 3.7: every choice comes from random() of a
generator with a fixed seed, never from hash order or the clock. Nobody in these files exists. What looks like a number
of somebody comes from ranges that are reserved, never issued or published for testing:

  e-mail    example.com, example.net, example.org, .example, .test (RFC 2606)
  phone     NANP 555-0100 to 555-0199 (ATIS-0300115); +44 20 7946 0 and +44 7700 900 (Ofcom, for drama)
  ssn       areas 900 to 999 with groups 01 to 49, area 666: never issued, used by no taxpayer programme
  card      test numbers that payment firms publish, and Luhn-valid numbers under 400000 and 511111, test prefixes
  iban      bank code TEST in GB, 99999999 in DE: held by no bank
  licence   a form that no state issues
  ip        192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24 (RFC 5737), 2001:db8::/32 (RFC 3849)
"""
import csv
import datetime as dt
import io
import json
import os
import random
import sys

NOW = dt.datetime(2026, 7, 1, tzinfo=dt.timezone.utc)  # the "now" of the sample: no date lies behind it
PEOPLE, CALLS = 300, 900
LARGE_PEOPLE, LARGE_CALLS = 3000, 9000

PEOPLE_COLUMNS = """external_id given_name family_name email phone street city state postal_code country
language birth_date ssn card_pan card_expiry iban driver_licence ip created_at last_activity closed_at
consent_recording consent_email consent_sms consent_call consent_sensitive optout_sale optout_share optout_ads
optout_profiling limit_sensitive gpc minor_opt_in prefs_at notes""".split()
CALL_COLUMNS = "call_id caller_external_id callee_external_id started_at duration_s status recording_id".split()

GIVEN = """Agnes Bruno Cecilia Dario Elif Fiona Gustav Heidi Imran Joanna Karim Leonie Marek Nora Omar Priya
Quirin Rosa Stefan Tove Ulrich Viola Walter Xenia Yara Zeno""".split()
GIVEN_HARD = ["Jos\u00e9", "Jose\u0301", "Zo\u00eb", "\u0141ucja", "\u5f20\u4f1f", "\u041e\u043b\u0435\u0433",
              "\u0644\u064a\u0644\u0649", "Mary Ann", "D\u2019Arcy", "X", "Null"]
FAMILY = """Abernathy Birchwood Crowe Dunmore Eastlake Farrow Greenhill Hathaway Ivory Juniper Kestrel Lockwood
Marlowe Nightingale Oakes Pemberton Quill Ravenscroft Sterling Thornbury Underhill Vane Winterbourne Yardley""".split()
FAMILY_HARD = ["O'Quillan", "Smythe-Larkin", "van den Heuvelmond", "M\u00fcllerbach", "Nguye\u0302\u0303n",
               "\u0141\u0105kowicz", "Fitz,Comma", "Quote\"well\"", "St. Orrin", "\u6e21\u908a"]
STREETS = """Amber Beech Cobble Dahlia Elder Fern Garnet Hazel Iris Jasper Larch Maple Opal Poplar Quarry Rowan Slate
Tulip""".split()
TOWNS = "Alderford Brackwater Coldspring Dunhollow Eastmere Fallowgate Greywick Hartsmouth".split()
STATES = [("CA", "90", "213"), ("TX", "75", "214"), ("CO", "80", "303"), ("VA", "22", "703"), ("NJ", "07", "201"),
          ("OR", "97", "503"), ("NY", "10", "212"), ("FL", "33", "305")]
PUBLISHED_CARDS = ["4111111111111111", "5555555555554444", "378282246310005", "6011111111111117",
                   "3530111333300000", "30569309025904", "4222222222222"]
NOTES = ["Asked for paper bills.", "Prefers calls after 5 pm.", "Moved; address confirmed.",
         "Line noise reported, solved.", "=1+1", "@SUM(1,2)", "-2+3", "'quoted", "two\nlines", "tab\there",
         "She said \"yes\", twice.",
         "\u202eturned around", "<script>alert(1)</script>", "Card on file: 4111 1111 1111 1111",
         "Ticket 4111 1111 1111 1112 is no card", " leading space", "e\u0301 versus \u00e9", "007", "true"]


class Dice:
    """Choices built on random() alone, which keeps its sequence between versions of Python."""

    def __init__(self, seed):
        self._random = random.Random(seed).random

    def below(self, count):
        return int(self._random() * count)

    def between(self, low, high):
        return low + self.below(high - low + 1)

    def chance(self, share):
        return self._random() < share

    def pick(self, items):
        return items[self.below(len(items))]

    def digits(self, count):
        return "".join(str(self.below(10)) for _ in range(count))

    def moment(self, first, last):
        return first + dt.timedelta(seconds=self.below(int((last - first).total_seconds())))


def luhn_complete(body):
    """The number that begins with body and has a fitting check digit (ISO/IEC 7812-1 annex B)."""
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return body + str(-total % 10)


def iban_complete(country, account):
    """The IBAN of an account (ISO 13616-1, ISO 7064 MOD 97-10)."""
    number = int("".join(str(int(c, 36)) for c in account + country + "00"))
    return "%s%02d%s" % (country, 98 - number % 97, account)


def iso(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def make_name(dice, row):
    row["given_name"] = dice.pick(GIVEN_HARD) if dice.chance(0.12) else dice.pick(GIVEN)
    row["family_name"] = dice.pick(FAMILY_HARD) if dice.chance(0.12) else dice.pick(FAMILY)
    if dice.chance(0.02):
        row["family_name"] = ""


def make_contact(dice, row, number):
    local = "person%03d" % number
    mail = "%s@%s" % (local, dice.pick(["example.com", "example.net", "example.org", "mail.example", "inbox.test"]))
    style = dice.below(40)
    if style == 0:
        mail = mail.upper()
    elif style == 1:
        mail = mail.replace("@", "+list@")
    elif style == 2:
        mail = "\"odd, %d\"@example.com" % number
    elif style == 3:
        mail = "%s@b\u00fccher.example" % local
    elif style == 4:
        mail = "j\u00f6rg%d@example.org" % number
    row["email"] = "" if dice.chance(0.02) else mail
    row["language"] = "es" if dice.chance(0.1) else "en"


def make_home(dice, row, number):
    row["street"] = "%d %s %s" % (dice.between(1, 999), dice.pick(STREETS), dice.pick(["St", "Ave", "Rd", "Ln"]))
    if dice.chance(0.15):
        row["street"] += dice.pick([", Apt %d", " #%d", "\nFloor %d"]) % dice.between(1, 40)
    row["city"] = dice.pick(TOWNS)
    if dice.chance(0.1):
        row["country"], row["postal_code"] = "GB", "QQ%d %dZZ" % (dice.between(1, 9), dice.below(10))
        row["phone"] = dice.pick(["+442079460%03d", "+447700900%03d"]) % (number % 1000)
        return
    state, zip_prefix, area_code = dice.pick(STATES)
    row["country"], row["state"] = "US", "" if dice.chance(0.02) else state
    row["postal_code"] = zip_prefix + dice.digits(3) + ("-" + dice.digits(4) if dice.chance(0.1) else "")
    row["phone"] = "+1%s555%04d" % (area_code, 100 + dice.below(100))
    if dice.chance(0.02):
        row["phone"] = ""


def make_age(dice, row):
    """Years of age, so that what only adults have can follow."""
    years = dice.between(1, 17) if dice.chance(0.08) else dice.between(18, 95)
    born = NOW.replace(year=NOW.year - years) - dt.timedelta(days=dice.below(365))
    row["birth_date"] = born.strftime("%Y-%m-%d")
    if dice.chance(0.02):
        row["birth_date"] = ""
    if years < 16 and dice.chance(0.3):
        row["minor_opt_in"] = "parent" if years < 13 else "self"
    return years


def make_card(dice, row, number):
    body = dice.pick(["400000", "511111"]) + "%05d" % number + dice.digits(4)
    card = dice.pick(PUBLISHED_CARDS) if dice.chance(0.1) else luhn_complete(body)
    style = dice.below(10)
    if len(card) == 16 and style < 2:
        card = (" -"[style]).join(card[i:i + 4] for i in range(0, 16, 4))
    row["card_pan"], row["card_expiry"] = card, "%02d/%02d" % (dice.between(1, 12), dice.between(24, 31))


def make_numbers(dice, row, number, years):
    if dice.chance(0.85):
        make_card(dice, row, number)
    if row["country"] == "US" and dice.chance(0.9):
        area = "666" if dice.chance(0.1) else str(dice.between(900, 999))
        ssn = "%s-%02d-%04d" % (area, dice.between(1, 49), 1000 + number)
        row["ssn"] = ssn.replace("-", "") if dice.chance(0.05) else ssn
    if row["country"] == "US" and years >= 16 and dice.chance(0.7):
        row["driver_licence"] = "%s-ZZ%07d" % (row["state"] or "US", number * 31)
    if row["country"] == "GB" and dice.chance(0.7):
        row["iban"] = iban_complete("GB", "TEST000000%08d" % number)
    elif dice.chance(0.04):
        row["iban"] = iban_complete("DE", "99999999%010d" % number).lower()
    style = dice.below(10)
    if style < 6:
        row["ip"] = dice.pick(["192.0.2.%d", "198.51.100.%d", "203.0.113.%d"]) % dice.between(1, 254)
    elif style < 9:
        row["ip"] = dice.pick(["2001:db8::%x", "2001:0DB8:0000:0000:0000:0000:0000:%04X"]) % dice.between(1, 65535)


def make_times(dice, row):
    last = dice.moment(NOW - dt.timedelta(days=2600 if dice.chance(0.1) else 400), NOW)
    made = dice.moment(dt.datetime(2018, 1, 1, tzinfo=dt.timezone.utc), last)
    row["created_at"], row["last_activity"] = iso(made), iso(last)
    if dice.chance(0.05):
        row["last_activity"] = (last - dt.timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%S-05:00")
    if dice.chance(0.05):
        row["closed_at"] = iso(last)
    row["prefs_at"] = iso(dice.moment(made, NOW))
    return made, last


def make_choices(dice, row):
    shares = [("consent_recording", .8), ("consent_email", .5), ("consent_sms", .3), ("consent_call", .2),
              ("consent_sensitive", .1), ("optout_sale", .1), ("optout_share", .1), ("optout_ads", .1),
              ("optout_profiling", .05), ("limit_sensitive", .05), ("gpc", .12)]
    for column, share in shares:
        row[column] = "1" if dice.chance(share) else "0"
    if dice.chance(0.4):
        row["notes"] = dice.pick(NOTES)


def make_people(count):
    dice, rows, spans = Dice(300), [], []
    for number in range(1, count + 1):
        row = dict.fromkeys(PEOPLE_COLUMNS, "")
        row["external_id"] = "person-%03d" % number
        make_name(dice, row)
        make_contact(dice, row, number)
        make_home(dice, row, number)
        years = make_age(dice, row)
        make_numbers(dice, row, number, years)
        spans.append(make_times(dice, row))
        make_choices(dice, row)
        rows.append(row)
    return rows, spans


def make_calls(people, spans, count):
    dice, rows = Dice(900), []
    while len(rows) < count:
        one, other = dice.below(len(people)), dice.below(len(people))
        first, last = max(spans[one][0], spans[other][0]), min(spans[one][1], spans[other][1])
        if one == other or last <= first:
            continue
        status = dice.pick(["completed"] * 7 + ["missed", "voicemail", "busy", "failed"])
        talked = status in ("completed", "voicemail")
        rows.append({"caller_external_id": people[one]["external_id"],
                     "callee_external_id": people[other]["external_id"], "started_at": iso(dice.moment(first, last)),
                     "duration_s": str(dice.between(1, 900)) if talked else "0", "status": status,
                     "recording_id": "recorded" if talked and dice.chance(0.2) else ""})
    rows.sort(key=lambda row: row["started_at"])
    for number, row in enumerate(rows, 1):
        row["call_id"] = "call-%04d" % number
        row["recording_id"] = "rec-%04d" % number if row["recording_id"] else ""
    return rows


def to_csv(columns, rows):
    """RFC 4180: CRLF between records, quotes where needed, an empty cell for what is absent."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8")


HIDDEN = [("card", "Card on file: 4111 1111 1111 1111"), ("ssn", "Gave 900-12-3456 on the phone"),
          ("iban", "Pays from GB33TEST00000000000001"), ("phone", "Call back on +12135550123"),
          ("email", "Write to somebody@example.org"), ("ip", "Signed in from 192.0.2.77"),
          ("none", "Ticket 4111 1111 1111 1112 is no card")]


def hide_in_notes(people):
    """Notes say what they hide; all others hide nothing."""
    for row in people:
        if "4111" in row["notes"]:
            row["notes"] = ""
    for number, row in enumerate(people[::40]):
        name, text = HIDDEN[number % len(HIDDEN)]
        if name == "iban":
            text = "Pays from " + iban_complete("GB", "TEST00000000000001")
        row["notes"] = "[scan:%s] %s" % (name, text)


def share_values(people):
    """Some pairs have a card or an address in common."""
    for number in range(1000, 1060, 2):
        people[number + 1]["card_pan"] = people[number]["card_pan"]
        people[number + 1]["card_expiry"] = people[number]["card_expiry"]
    for number in range(1100, 1130, 2):
        people[number + 1]["email"] = people[number]["email"]


def counts(values):
    """How often each value that is not empty occurs."""
    result = {}
    for value in values:
        if value:
            result[value] = result.get(value, 0) + 1
    return result


def facts_of(people, calls):
    """What a reader of both files must count, under the names that the tests ask for."""
    brands = {"4": "visa", "5": "mastercard", "37": "amex", "6011": "discover", "3530": "jcb", "3056": "diners"}
    cards = counts(row["card_pan"].replace(" ", "").replace("-", "") for row in people)
    emails, phones = counts(row["email"].lower() for row in people), counts(row["phone"] for row in people)
    hidden = counts(row["notes"].split("]")[0][6:] for row in people if row["notes"].startswith("[scan:"))
    return {
        "people": {
            "rows": len(people), "with_card": sum(cards.values()), "distinct_cards": len(cards),
            "cards_held_by_two": list(cards.values()).count(2),
            "cards_by_brand": counts(brand for card in cards for start, brand in brands.items() if card.startswith(start)),
            "with_ssn": sum(row["ssn"] != "" for row in people), "with_iban": sum(row["iban"] != "" for row in people),
            "with_driver_licence": sum(row["driver_licence"] != "" for row in people),
            "phones_held_by_two": list(phones.values()).count(2),
            "emails_held_by_two": list(emails.values()).count(2), "notes_with_hidden_numbers": hidden},
        "calls": {
            "rows": len(calls), "by_status": counts(row["status"] for row in calls),
            "recordings": sum(row["recording_id"] != "" for row in calls),
            "total_seconds": sum(int(row["duration_s"]) for row in calls)}}


def write_large(folder):
    people, spans = make_people(LARGE_PEOPLE)
    hide_in_notes(people)
    share_values(people)
    calls = make_calls(people, spans, LARGE_CALLS)
    os.makedirs(folder, exist_ok=True)
    facts = json.dumps(facts_of(people, calls), indent=1, sort_keys=True).encode("ascii")
    for name, content in (("people.csv", to_csv(PEOPLE_COLUMNS, people)), ("calls.csv", to_csv(CALL_COLUMNS, calls)),
                          ("facts.json", facts)):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)
    return 0


def main(arguments):
    if arguments[:1] == ["--large"] and len(arguments) == 2:
        return write_large(arguments[1])
    is_check = arguments[:1] == ["--check"]
    rest = arguments[1:] if is_check else arguments
    home = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "examples", "sample")
    folder = rest[0] if rest else os.path.normpath(home)
    people, spans = make_people(PEOPLE)
    files = {"people.csv": to_csv(PEOPLE_COLUMNS, people), "calls.csv": to_csv(CALL_COLUMNS, make_calls(people, spans, CALLS))}
    differing = []
    for name, content in sorted(files.items()):
        path = os.path.join(folder, name)
        if is_check:
            with open(path, "rb") as file:
                differing += [name] if file.read() != content else []
            continue
        with open(path, "wb") as file:
            file.write(content)
    for name in differing:
        print("%s differs from what tools/sample/make_sample.py writes" % name, file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
