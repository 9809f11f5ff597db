"""What tills write in names goes into the books as it is: rows are copied in, and nothing in a text ends one."""

import pytest

from tests.pipeline.posting import Till

ODD = ["tab\there", "line\nfeed", "return\r\n", "\\", "\\N", "\\.", "\\t", 'quo"te', "{a,b}", "ü 🛒", " ", "NULL", "'"]


@pytest.mark.parametrize("text", ODD)
def test_texts_come_back_as_they_were(till: Till, text: str) -> None:
    name = text.replace("\t", " ").replace("\n", " ").replace("\r", " ")  # a name has no control characters
    line = {"sku": name, "qty": 1, "amount": 1, "name": text, "brand": text, "category": text, "gtin": text}
    sold = till.sold(
        "s",
        line_items=[line],
        total_amount=1,
        txn_id=name,
        store_id=name,
        register_id=name,
        cashier_id=name,
        customer_id=name,
        payment_method=name,
        metadata={"country": text},
    )
    assert till.send(sold).posted == 1
    assert till.rows("SELECT sku, name, brand, category, gtin FROM silver.line_items WHERE tenant_id = %s") == [
        (name, text, text, text, text)
    ]
    columns = "store_id, txn_id, register_id, cashier_id, customer_id, payment, country"
    assert till.rows(f"SELECT {columns} FROM silver.transactions WHERE tenant_id = %s") == [(*[name] * 6, text)]
    assert till.rows("SELECT type FROM silver.tenders WHERE tenant_id = %s") == [(name,)]
    assert till.rows("SELECT store_id, accounts FROM ledger.entries WHERE tenant_id = %s")[0][0] == name
    till.assert_sound()
