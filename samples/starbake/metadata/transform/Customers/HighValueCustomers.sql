SELECT customer_id, customer_name, order_count, lifetime_value
FROM Customers.CustomerLifeTimeValue
WHERE lifetime_value >= {{ high_value_from }}
