WITH sold AS (
  SELECT order_id, ordered_on, customer_id, unnest(lines) AS line
  FROM starbake.Orders
)
SELECT
  s.ordered_on AS sales_day,
  count(DISTINCT s.order_id) AS order_count,
  round(sum(s.line.quantity * s.line.unit_price), 2) AS revenue,
  round(sum(s.line.quantity * m.margin), 2) AS margin,
  round(sum(CASE WHEN h.customer_id IS NULL THEN 0 ELSE s.line.quantity * s.line.unit_price END), 2)
    AS high_value_revenue
FROM sold s
LEFT JOIN Products.ProductMargins m ON m.product_id = s.line.product_id
LEFT JOIN Customers.HighValueCustomers h ON h.customer_id = s.customer_id
GROUP BY s.ordered_on
ORDER BY s.ordered_on
