SELECT weather.sky, sum(orders.amount) AS amount
FROM sales.orders AS orders
JOIN weather ON weather.day = orders.day
GROUP BY weather.sky
