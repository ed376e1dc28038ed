WITH days AS (
  SELECT count(*) AS number_of_days FROM usage.daily_rides
)
SELECT
  b.bike_id,
  b.model,
  b.electric,
  count(r.ride_id) AS rides,
  round(coalesce(sum(r.minutes), 0) / max(d.number_of_days), 1) AS minutes_a_day
FROM rental.bikes b
LEFT JOIN rental.rides r ON r.bike_id = b.bike_id
CROSS JOIN days d
GROUP BY b.bike_id, b.model, b.electric
ORDER BY minutes_a_day DESC, b.bike_id
