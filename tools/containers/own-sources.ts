import { createHmac, randomBytes, randomUUID } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const ANSWER_MS_MAX = 20_000

interface OwnSource {
  readonly name: string
  readonly secret: string
}

/** A folder for WEIR_CONFIG_DIR, with two sources that only its sources file knows. */
export class OwnSources {
  readonly folder = mkdtempSync(join(tmpdir(), 'weir-containers-'))
  readonly #sources: readonly OwnSource[] = ['shop', 'depot'].map((name) => ({
    name,
    secret: randomBytes(24).toString('hex'),
  }))

  constructor() {
    const [shop, depot] = this.#sources as [OwnSource, OwnSource]
    const files = {
      'sources.yaml': 'version: 1\nsources:\n  shop: { preset: github }\n  depot: { preset: github }\n',
      'sources.env': `SOURCE_SHOP_SECRETS=${shop.secret}\nSOURCE_DEPOT_SECRETS_FILE=/etc/weir/depot\n`,
      depot: `${depot.secret}\n`,
    }
    // Users of the containers are not the one of this process.
    chmodSync(this.folder, 0o755)
    for (const [name, text] of Object.entries(files))
      writeFileSync(join(this.folder, name), text, { mode: 0o644 })
  }

  get env(): Readonly<Record<string, string>> {
    return { WEIR_CONFIG_DIR: this.folder, SOURCES_FILE: '/etc/weir/sources.yaml' }
  }

  /** Resolves to what was seen, in words; rejects when a webhook is not answered as its signature says. */
  async check(ingressPort: string): Promise<string> {
    const seen = await Promise.all(
      this.#sources.map(async ({ name, secret }) => {
        const good = await post(ingressPort, name, secret)
        const wrong = await post(ingressPort, name, `${secret}0`)
        return { is: good === 200 && wrong === 401, text: `${name} ${good}, with another secret ${wrong}` }
      }),
    )
    const text = seen.map((one) => one.text).join(', ')
    if (!seen.every(({ is }) => is)) throw new Error(text)
    return text
  }

  remove(): Promise<void> {
    rmSync(this.folder, { recursive: true, force: true })
    return Promise.resolve()
  }
}

const post = async (port: string, source: string, secret: string): Promise<number> => {
  const body = JSON.stringify({ action: 'opened', repository: { full_name: `${source}/${randomUUID()}` } })
  const answer = await fetch(`http://127.0.0.1:${port}/webhooks/${source}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-github-event': 'issues',
      'x-github-delivery': randomUUID(),
      'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
    },
    body,
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  })
  await answer.arrayBuffer()
  return answer.status
}
