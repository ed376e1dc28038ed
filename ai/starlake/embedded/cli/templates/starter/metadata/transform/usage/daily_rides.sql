SELECT
  CAST(started_at AS DATE) AS day,
  count(*) AS rides,
  count(*) FILTER (minutes >= {{ long_ride_minutes }}) AS long_rides,
  sum(minutes) AS minutes,
  coalesce(sum(fare), 0) AS fares
FROM rental.rides
GROUP BY CAST(started_at AS DATE)
ORDER BY day
