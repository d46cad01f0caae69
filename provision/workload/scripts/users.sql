-- The users of Cromwell and TES: each owns what it makes in its own database, and opens no other.
\set cromwell `cat /verifiers/cromwell`
\set tes `cat /verifiers/tes`

SELECT 'CREATE ROLE cromwell' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'cromwell') \gexec
SELECT 'CREATE ROLE tes' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tes') \gexec
ALTER ROLE cromwell LOGIN NOCREATEDB NOCREATEROLE CONNECTION LIMIT 100 PASSWORD :'cromwell';
ALTER ROLE tes LOGIN NOCREATEDB NOCREATEROLE CONNECTION LIMIT 100 PASSWORD :'tes';

REVOKE ALL ON DATABASE cromwell_db FROM PUBLIC;
REVOKE ALL ON DATABASE tes_db FROM PUBLIC;
GRANT CONNECT, TEMPORARY, CREATE ON DATABASE cromwell_db TO cromwell;
GRANT CONNECT, TEMPORARY, CREATE ON DATABASE tes_db TO tes;

\connect cromwell_db
GRANT USAGE, CREATE ON SCHEMA public TO cromwell;
\connect tes_db
GRANT USAGE, CREATE ON SCHEMA public TO tes;
