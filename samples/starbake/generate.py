"""Makes the files that the shops of the sample bakery deliver; the same arguments always give the same bytes.

The files under ``incoming/`` come from a plain ``python samples/starbake/generate.py``. Some rows are wrong on purpose,
so that rejects can be seen: about one in forty customers and orders, one ingredient and one product a day.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

FIRST_DAY = date(2026, 11, 2)
WRONG_EVERY = 40

FIRST_NAMES = ["Ada", "Bruno", "Dora", "Emil", "Fatou", "Greta", "Hugo", "Jonas", "Kenji", "Lena", "Malik", "Nora"]
LAST_NAMES = ["Abel", "Bianchi", "Costa", "Dubois", "Eriksen", "Garcia", "Haddad", "Ivanova", "Jansen", "Laurent"]
CITIES = ["Lyon", "Paris", "Nantes", "Lille", "Bordeaux", "Toulouse"]
STREETS = ["Rue du Four", "Quai des Farines", "Place au Beurre", "Allée des Pommiers"]


@dataclass(frozen=True)
class Ingredient:
    """An ingredient of a product.

    Args:
        name: The name on the price list.
        unit: Unit of the price.
        cents: Euro cents per unit.
        allergen: True if it has to be named to customers.
    """

    name: str
    unit: str
    cents: int
    allergen: bool = False


INGREDIENTS = (
    Ingredient("wheat flour", "kg", 110, allergen=True),
    Ingredient("rye flour", "kg", 145, allergen=True),
    Ingredient("butter", "kg", 890, allergen=True),
    Ingredient("milk", "litre", 105, allergen=True),
    Ingredient("egg", "piece", 32, allergen=True),
    Ingredient("sugar", "kg", 120),
    Ingredient("yeast", "kg", 640),
    Ingredient("salt", "kg", 60),
    Ingredient("dark chocolate", "kg", 1450),
    Ingredient("almond", "kg", 1280, allergen=True),
    Ingredient("apple", "kg", 230),
    Ingredient("raspberry", "kg", 1150),
)

# name, category, price in cents, tags, recipe as ingredient number and quantity
PRODUCTS: tuple[tuple[str, str, int, tuple[str, ...], tuple[tuple[int, float], ...]], ...] = (
    ("Baguette", "bread", 130, ("daily",), ((1, 0.25), (7, 0.005), (8, 0.005))),
    ("Rye loaf", "bread", 420, ("daily", "vegan"), ((2, 0.6), (7, 0.01), (8, 0.012))),
    ("Croissant", "pastry", 150, ("daily",), ((1, 0.05), (3, 0.028), (4, 0.02), (6, 0.006))),
    ("Pain au chocolat", "pastry", 170, ("daily",), ((1, 0.05), (3, 0.028), (9, 0.015))),
    ("Brioche", "pastry", 560, (), ((1, 0.3), (3, 0.15), (5, 4.0), (6, 0.04))),
    ("Almond croissant", "pastry", 260, ("daily",), ((1, 0.05), (3, 0.03), (10, 0.03), (6, 0.02))),
    ("Apple tart", "cake", 1850, ("seasonal",), ((1, 0.25), (3, 0.125), (11, 0.9), (6, 0.08))),
    ("Raspberry tart", "cake", 2400, ("seasonal",), ((1, 0.25), (3, 0.125), (12, 0.4), (5, 2.0))),
    ("Chocolate cake", "cake", 2200, (), ((1, 0.15), (3, 0.2), (5, 5.0), (9, 0.25))),
)


@dataclass(frozen=True)
class Sizes:
    """Amounts of data.

    Args:
        customers: Customers over all days.
        orders: Orders over all days.
        days: Days that deliver, from FIRST_DAY on.
    """

    customers: int = 90
    orders: int = 240
    days: int = 3

    def share(self, total: int, day: int) -> range:
        """Return the numbers, from 1 on, of the day with this index, out of ``total`` spread over all days."""
        return range(total * day // self.days + 1, total * (day + 1) // self.days + 1)


def wrong(number: int, *ways: dict[str, Any]) -> dict[str, Any]:
    """Return the defect of the row with this number, one of these by turns; none for most rows."""
    turn, place = divmod(number, WRONG_EVERY)
    return ways[turn % len(ways)] if place == WRONG_EVERY - 1 else {}


def customers(rng: random.Random, day: date, numbers: range) -> Iterator[dict[str, str]]:
    """Yield the customers who registered on one day."""
    for number in numbers:
        first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
        row = {
            "customer_id": str(number),
            "first_name": first,
            "last_name": last,
            "email": f"{first}.{last}.{number}@example.org".lower(),
            "city": rng.choice(CITIES),
            "registered_on": day.isoformat(),
        }
        row.update(wrong(number, {"email": "see card"}, {"registered_on": "yesterday"}, {"last_name": ""}))
        yield row


def ingredients(rng: random.Random) -> Iterator[dict[str, str]]:
    """Yield the price list of one day; the market moves by up to five per cent."""
    for number, ingredient in enumerate(INGREDIENTS, start=1):
        cents = ingredient.cents * rng.randint(95, 105) // 100
        yield {
            "ingredient_id": str(number),
            "name": ingredient.name,
            "unit": ingredient.unit,
            "price": f"{cents // 100}.{cents % 100:02d}",
            "allergen": str(ingredient.allergen).lower(),
        }
    yield {"ingredient_id": "13", "name": "saffron", "unit": "kg", "price": "on request", "allergen": "false"}


def products() -> Iterator[dict[str, Any]]:
    """Yield the products on sale, and one that nobody has named yet."""
    for number, (name, category, cents, tags, recipe) in enumerate(PRODUCTS, start=1):
        yield {
            "product_id": number,
            "name": name,
            "price": cents / 100,
            "on_sale_since": (FIRST_DAY - timedelta(days=30 * number)).isoformat(),
            "tags": tags,
            "details": {"category": category, "description": f"{name}, baked this morning"},
            "recipe": [{"ingredient_id": ingredient, "quantity": quantity} for ingredient, quantity in recipe],
        }
    yield {"product_id": len(PRODUCTS) + 1, "name": None, "price": 3.5, "tags": ["draft"], "recipe": []}


def orders(rng: random.Random, day: date, numbers: range, known_customers: int) -> Iterator[dict[str, Any]]:
    """Yield the orders of one day, by customers who are registered."""
    for number in numbers:
        lines = [order_line(rng) for _ in range(rng.randint(1, 4))]
        moment = datetime.combine(day, time(6), timezone.utc) + timedelta(seconds=rng.randrange(12 * 3600))
        row: dict[str, Any] = {
            "order_id": number,
            "customer_id": rng.randint(1, known_customers),
            "ordered_on": day.isoformat(),
            "ordered_at": f"{moment:%Y-%m-%d %H:%M:%S}",
            "channel": rng.choice(("shop", "web", "phone")),
            "total": sum(line["quantity"] * round(line["unit_price"] * 100) for line in lines) / 100,
            "lines": lines,
        }
        if row["channel"] != "shop":
            street = f"{rng.randint(1, 90)} {rng.choice(STREETS)}"
            row["delivery"] = {"street": street, "city": rng.choice(CITIES)}
        row.update(wrong(number, {"customer_id": None}, {"ordered_at": "soon"}))
        yield row


def order_line(rng: random.Random) -> dict[str, Any]:
    """One product, some pieces of it, at its price."""
    number = rng.randint(1, len(PRODUCTS))
    return {"product_id": number, "quantity": rng.randint(1, 5), "unit_price": PRODUCTS[number - 1][2] / 100}


def write_table(path: Path, rows: Iterator[dict[str, str]], delimiter: str) -> None:
    """Write delimited text with a header; no file when there is no row."""
    first = next(rows, None)
    if first is None:
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(first), delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerow(first)
        writer.writerows(rows)


def write_json(path: Path, rows: Iterator[dict[str, Any]], *, array: bool) -> None:
    """Write one document a line, as an array when asked, without holding them all in memory."""
    begin, between, end = ("[\n", ",\n", "\n]\n") if array else ("", "\n", "\n")
    with path.open("w", encoding="utf-8") as file:
        file.write(begin)
        for index, row in enumerate(rows):
            file.write((between if index else "") + json.dumps(row, ensure_ascii=False))
        file.write(end)


def generate(out: Path, sizes: Sizes, seed: int) -> None:
    """Write one file a table and day into ``out``, which is made when it is not there."""
    out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    for index in range(sizes.days):
        day = FIRST_DAY + timedelta(days=index)
        new_customers = sizes.share(sizes.customers, index)
        write_table(out / f"customers_{day}.csv", customers(rng, day, new_customers), ",")
        write_table(out / f"ingredients_{day}.tsv", ingredients(rng), "\t")
        write_json(out / f"products_{day}.json", products(), array=False)
        day_orders = orders(rng, day, sizes.share(sizes.orders, index), max(new_customers.stop - 1, 1))
        write_json(out / f"orders_{day}.json", day_orders, array=True)


def positive(text: str) -> int:
    """Return an argument that has to be at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and write the files."""
    default = Sizes()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="another seed gives other files (default 1)")
    parser.add_argument("--customers", type=positive, default=default.customers, help="customers over all days")
    parser.add_argument("--orders", type=positive, default=default.orders, help="orders over all days")
    parser.add_argument("--days", type=positive, default=default.days, help=f"days from {FIRST_DAY} on")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "incoming" / "starbake", help="folder")
    given = parser.parse_args(arguments)
    generate(given.out, Sizes(given.customers, given.orders, given.days), given.seed)


if __name__ == "__main__":
    main()
