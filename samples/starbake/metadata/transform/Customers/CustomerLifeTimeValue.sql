SELECT
  c.customer_id,
  c.first_name || ' ' || c.last_name AS customer_name,
  c.registered_on,
  count(o.order_id) AS order_count,
  min(o.ordered_on) AS first_order_on,
  max(o.ordered_on) AS last_order_on,
  round(coalesce(sum(o.total), 0), 2) AS lifetime_value
FROM starbake.Customers c
LEFT JOIN starbake.Orders o ON o.customer_id = c.customer_id
GROUP BY c.customer_id, c.first_name, c.last_name, c.registered_on
