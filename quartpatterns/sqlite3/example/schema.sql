DROP TABLE IF EXISTS users;
CREATE TABLE users (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  email TEXT NOT NULL
);
-- Somebody to look at: admin, and user002 to user120.
INSERT INTO users (name, email) VALUES ('admin', 'admin@localhost');
WITH RECURSIVE numbers (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < 120)
INSERT INTO users (name, email)
SELECT printf('user%03d', n), printf('user%03d@localhost', n) FROM numbers;
