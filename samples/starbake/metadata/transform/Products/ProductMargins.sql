WITH used AS (
  SELECT product_id, unnest(recipe) AS item
  FROM starbake.Products
),
costs AS (
  SELECT u.product_id, sum(u.item.quantity * i.price) AS cost
  FROM used u
  JOIN starbake.Ingredients i ON i.ingredient_id = u.item.ingredient_id
  GROUP BY u.product_id
)
SELECT
  p.product_id,
  p.name AS product_name,
  p.details.category AS category,
  p.price,
  round(c.cost, 2) AS cost,
  round(p.price - c.cost, 2) AS margin
FROM starbake.Products p
JOIN costs c ON c.product_id = p.product_id
