"""behalf_printers.py - how gdb shows an item, a queue and a batch of a broker, also of a core dump: in a line of words.

    gdb -x deploy/gdb/behalf_printers.py -p "$(pidof behalf-broker)"
    (gdb) source deploy/gdb/behalf_printers.py      # in a session that runs
    (gdb) print *item
    (gdb) print /r *item                            # all fields, as gdb shows them without this

Names, numbers and states only: texts of posts, drafts and replies are not shown.
"""

import gdb
import gdb.printing

NOBODY = 0xffffffff  # POLICY_NONE
CHANGES_SHOWN = 20


def name_of(kind, value, prefix):
    """The name of an enum's value, without what all of its names begin with."""
    for field in gdb.lookup_type("enum " + kind).fields():
        if field.enumval == int(value):
            return field.name[len(prefix):].lower().replace("_", "-")
    return str(int(value))


def text_of(pointer, instead="-"):
    return pointer.string(errors="replace") if int(pointer) != 0 else instead


def list_of(first):
    """The elements of a list that is linked through `next`."""
    while int(first) != 0:
        yield first.dereference()
        first = first["next"]


class Item:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        item = self.value
        words = [f"item {int(item['id'])} {name_of('item_state', item['state'], 'ITEM_')}"]
        if int(item["queue"]) != 0:
            words.append(f"in {text_of(item['queue']['text'])}")
        if int(item["person"]) != NOBODY:
            words.append(f"with person {int(item['person'])}")
        words.append(f"lease {int(item['lease'])}, {int(item['posts'])} posts, since {int(item['created_ms'])}")
        if int(item["due_ms"]) != 0:
            words.append(f"due {int(item['due_ms'])}")
        marks = [field.name for field in item.type.fields()
                 if field.bitsize == 1 and field.name != "state" and int(item[field]) != 0]
        return " ".join(words) + "".join(f" [{mark}]" for mark in marks)


class Queue:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        queue = self.value
        first, last = queue["count"].type.range()
        counts = [f"{int(queue['count'][state])} {name_of('item_state', state, 'ITEM_')}"
                  for state in range(first, last + 1) if int(queue["count"][state]) != 0]
        return (f"queue {text_of(queue['text'])}: {int(queue['open'])} open ({', '.join(counts) or 'none'}), "
                f"{int(queue['overdue'])} overdue, {int(queue['able'])} able, {int(queue['available'])} available, "
                f"{int(queue['ready']['count'])} ready" + ("" if queue["seated"] else " [not seated]"))


class Batch:
    def __init__(self, value):
        self.value = value

    @staticmethod
    def change(change):
        kind = name_of("change_kind", change["kind"], "CHANGE_")
        if kind == "item":
            return f"item {int(change['item']['item'])} {name_of('item_state', change['item']['state'], 'ITEM_')}"
        if kind == "reply":
            return f"reply {int(change['reply']['reply'])} {name_of('reply_state', change['reply']['state'], 'REPLY_')}"
        if kind == "event":
            return f"event {text_of(change['event']['kind'])} of {int(change['event']['item'])}"
        if kind in ("post", "draft", "note", "outcome", "seal"):
            return f"{kind} of {int(change[kind]['item'])}"
        return kind

    def to_string(self):
        batch = self.value
        changes = [self.change(change) for change in list_of(batch["list"]["first_change"])]
        shown = changes[:CHANGES_SHOWN] + ([f"{len(changes) - CHANGES_SHOWN} more"] if len(changes) > CHANGES_SHOWN else [])
        asked = sum(1 for _ in list_of(batch["asked"]["first"]))
        answered = sum(1 for _ in list_of(batch["answered"]["first"]))
        return (f"batch epoch {int(batch['to']['epoch'])}, {int(batch['from']['sequence'])} to "
                f"{int(batch['to']['sequence'])}: {len(changes)} changes ({'; '.join(shown)}), "
                f"{int(batch['list']['effect_count'])} effects, {asked} asked, {answered} answered")


def register():
    printers = gdb.printing.RegexpCollectionPrettyPrinter("behalf")
    printers.add_printer("item", "^item$", Item)
    printers.add_printer("queue", "^queue$", Queue)
    printers.add_printer("batch", "^batch$", Batch)
    gdb.printing.register_pretty_printer(None, printers, replace=True)


register()
