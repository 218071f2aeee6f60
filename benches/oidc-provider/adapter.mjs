// Where oidc-provider keeps what it issues: one table of Postgres, read and written by prepared statements.

import pg from 'pg';

// As many as this server has by default.
const CONNECTIONS = 16;

export const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: CONNECTIONS });

const TABLE = `
  CREATE TABLE IF NOT EXISTS entities (
    name TEXT NOT NULL, id TEXT NOT NULL, payload JSONB NOT NULL,
    grant_id TEXT, uid TEXT, user_code TEXT, expires_at TIMESTAMPTZ,
    PRIMARY KEY (name, id));
  CREATE INDEX IF NOT EXISTS entities_grant ON entities (grant_id) WHERE grant_id IS NOT NULL;
  CREATE INDEX IF NOT EXISTS entities_uid ON entities (uid) WHERE uid IS NOT NULL;
  CREATE INDEX IF NOT EXISTS entities_user_code ON entities (user_code) WHERE user_code IS NOT NULL;`;

export const createTable = () => pool.query(TABLE);

const LIVES = '(expires_at IS NULL OR expires_at > now())';

const STATEMENTS = {
  upsert: `INSERT INTO entities VALUES ($1, $2, $3, $4, $5, $6, $7)
           ON CONFLICT (name, id) DO UPDATE SET payload = $3, grant_id = $4, uid = $5, user_code = $6, expires_at = $7`,
  find: `SELECT payload FROM entities WHERE name = $1 AND id = $2 AND ${LIVES}`,
  findByUid: `SELECT payload FROM entities WHERE name = $1 AND uid = $2 AND ${LIVES}`,
  findByUserCode: `SELECT payload FROM entities WHERE name = $1 AND user_code = $2 AND ${LIVES}`,
  consume: `UPDATE entities SET payload = payload || $3::jsonb WHERE name = $1 AND id = $2`,
  destroy: 'DELETE FROM entities WHERE name = $1 AND id = $2',
  revoke: 'DELETE FROM entities WHERE name = $1 AND grant_id = $2',
};

// A query with a name is prepared once on each connection.
const run = (name, ...values) => pool.query({ name, text: STATEMENTS[name], values });

const first = async (...query) => (await run(...query)).rows[0]?.payload;

export class Adapter {
  constructor(name) {
    this.name = name;
  }

  async upsert(id, payload, expiresIn) {
    const ends = expiresIn ? new Date(Date.now() + expiresIn * 1000) : null;
    await run('upsert', this.name, id, payload, payload.grantId, payload.uid, payload.userCode, ends);
  }

  find(id) {
    return first('find', this.name, id);
  }

  findByUid(uid) {
    return first('findByUid', this.name, uid);
  }

  findByUserCode(code) {
    return first('findByUserCode', this.name, code);
  }

  async consume(id) {
    await run('consume', this.name, id, { consumed: Math.floor(Date.now() / 1000) });
  }

  async destroy(id) {
    await run('destroy', this.name, id);
  }

  async revokeByGrantId(grantId) {
    await run('revoke', this.name, grantId);
  }
}
