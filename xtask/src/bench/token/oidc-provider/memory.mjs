// Where the server keeps what it must remember. The library's own store forgets everything but the
// last thousand entries, and with them the tokens that are to be revoked.

const kept = new Map();
const seconds = () => Date.now() / 1000;

// What is over is looked for once in so many writes, from the oldest on.
const SWEEP_EACH = 1000;
let writes = 0;

function sweep() {
  const now = seconds();
  for (const [key, { ends }] of kept) {
    if (ends > now) return;
    kept.delete(key);
  }
}

export class Memory {
  constructor(model) {
    this.model = model;
  }

  #key(id) {
    return `${this.model}:${id}`;
  }

  async upsert(id, payload, expiresIn) {
    writes += 1;
    if (writes % SWEEP_EACH === 0) sweep();
    kept.set(this.#key(id), { payload, ends: seconds() + (expiresIn ?? Infinity) });
  }

  async find(id) {
    const found = kept.get(this.#key(id));
    return found !== undefined && found.ends > seconds() ? found.payload : undefined;
  }

  async consume(id) {
    const found = await this.find(id);
    if (found !== undefined) found.consumed = seconds();
  }

  async destroy(id) {
    kept.delete(this.#key(id));
  }

  // Nothing here has a grant, a session or a user code.
  async findByUid() {}

  async findByUserCode() {}

  async revokeByGrantId() {}
}
