import { execFile } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { decodeReceivedWebhook, type ReceivedWebhook } from '@weir/contracts'
import { PRESETS, type PresetName } from '@weir/sources'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { TestIngress } from '../testing/test-ingress.ts'

/** The pages of docs/sources: what they configure is started, and what they send with curl and openssl is sent. */
const ROOT = join(import.meta.dirname, '../../../..')
const PAGES = join(ROOT, 'docs/sources')
const folder = mkdtempSync(join(tmpdir(), 'source-pages-'))
afterAll(() => rmSync(folder, { recursive: true }))

const run = promisify(execFile)

const blocksOf = (name: string) => {
  const text = readFileSync(join(PAGES, `${name}.md`), 'utf8')
  return (language: string): string => new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(text)?.[1] ?? ''
}

/**
 * By event key: the pages that send it. Who follows one after the other must see no repeat or conflict of another's.
 */
const senders = new Map<string, string[]>()
const noteSender = (page: string, { source, eventKey }: ReceivedWebhook): void => {
  const key = `${source} ${eventKey.toString('hex')}`
  senders.set(key, [...(senders.get(key) ?? []), page])
}

let ingress: TestIngress | undefined
afterEach(() => ingress?.close())

const startAsIn = async (block: (language: string) => string): Promise<TestIngress> => {
  const file = join(folder, 'sources.yaml')
  writeFileSync(file, block('yaml'))
  const settings = block('env')
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/=(.*)/, 2))
  ingress = new TestIngress({
    ...(Object.fromEntries(settings) as Record<string, string>),
    ...(block('yaml') !== '' && { SOURCES_FILE: file }),
  })
  await ingress.listen()
  return ingress
}

/** The lines that the script prints. */
const linesOf = async (script: string, { port }: TestIngress): Promise<readonly string[]> => {
  const { stdout } = await run('bash', ['-euc', script.replaceAll('127.0.0.1:3000', `127.0.0.1:${port}`)])
  return stdout.trimEnd().split('\n')
}

const answerTo = async (script: string, target: TestIngress) => {
  const lines = await linesOf(script, target)
  return { status: Number(lines.at(-1)), body: lines.slice(0, -1).join('\n') }
}

/** What a page says of refusals, in its row `answers`. */
const promisesOf = (name: string) => {
  const row = /^\| answers +\|(.*)\|$/m.exec(readFileSync(join(PAGES, `${name}.md`), 'utf8'))?.[1] ?? ''
  const status = (pattern: RegExp): number | undefined => {
    const found = pattern.exec(row)?.[1]
    return found === undefined ? undefined : Number(found)
  }
  const missing = status(/(\d+) without (?:a signature|the token)/)
  return {
    missing,
    wrong: status(/(\d+) (?:without a signature and )?with a wrong one/) ?? missing,
    malformed: status(/malformed: (?:a dead letter, with )?(\d+)/),
    elsewhere: status(/(\d+) from another address/),
    hasNoBody: row.includes('both with no body'),
    field: /Texts are in `(\w+)`/.exec(row)?.[1],
  }
}

const statusOf = async (script: string, target: TestIngress): Promise<number> =>
  Number((await linesOf(script, target)).at(-1))

/** A private key is replaced by another one of its kind. */
const withOtherKey = (script: string): string =>
  script.replace(/-----BEGIN PRIVATE KEY-----[^]*?-----END PRIVATE KEY-----/, (pem) => {
    const { privateKey } =
      createPrivateKey(pem).asymmetricKeyType === 'ec'
        ? generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
        : generateKeyPairSync('rsa', { modulusLength: 2_048 })
    return privateKey.export({ format: 'pem', type: 'pkcs8' }).toString().trim()
  })

/** The block of a page that sends something from a shell. */
const scriptIn = (page: string): string =>
  /```sh\n(SECRET=[^]*?)```/.exec(readFileSync(join(ROOT, page), 'utf8'))?.[1] ?? ''

const expectText = (
  body: string,
  { field, hasNoBody }: { field: string | undefined; hasNoBody: boolean },
) => {
  if (hasNoBody) expect(body).toBe('')
  else if (field !== undefined)
    expect(JSON.parse(body)).toEqual({ [field]: expect.stringMatching(/./) as string })
}

const PAGED = Object.keys(PRESETS).filter((name) => name !== 'custom')

describe.each(PAGED)('the page on %s', (name) => {
  it('has a request that is accepted', async () => {
    const block = blocksOf(name)
    const started = await startAsIn(block)
    expect(await statusOf(block('sh'), started)).toBe(200)
    expect(started.last).toMatchObject({ source: name })
    expect(started.last.intakeError).toBeUndefined()
    noteSender(`docs/sources/${name}.md`, started.last)
  })

  it('has a request that is refused under another secret', async () => {
    const block = blocksOf(name)
    const started = await startAsIn(block)
    const other = withOtherKey(block('sh').replace(/^(SECRET=whsec_|SECRET=|TOKEN=)/, '$1b3RoZXI'))
    expect(other).not.toBe(block('sh'))
    const { wrong, ...said } = promisesOf(name)
    const answer = await answerTo(other, started)
    expect(answer.status).toBe(wrong)
    expectText(answer.body, said)
    expect(started.written).toEqual([])
  })

  it('states the response to a request without signature or token', async () => {
    const block = blocksOf(name)
    const started = await startAsIn(block)
    const bare = block('sh').replace(/ -H "[^"]*\$(SIGNATURE|TOKEN)[^"]*"|"Signature":"[^"]*",/, '')
    expect(bare).not.toBe(block('sh'))
    const { missing, ...said } = promisesOf(name)
    const answer = await answerTo(bare, started)
    expect(answer.status).toBe(missing)
    expectText(answer.body, said)
    expect(started.written).toEqual([])
  })

  it('states the response to a malformed body, which is kept', async () => {
    const block = blocksOf(name)
    const started = await startAsIn(block)
    const broken = block('sh').replace(/^BODY='.*'$/m, `BODY='{"broken":'`)
    expect(broken).not.toBe(block('sh'))
    const { malformed, field } = promisesOf(name)
    const answer = await answerTo(broken, started)
    if (PRESETS[name as PresetName].body === 'opaque') {
      expect([malformed, answer.status]).toEqual([undefined, 200])
      return
    }
    // Its signature is in the JSON that is not there.
    if (PRESETS[name as PresetName].verifier.kind === 'sns') {
      expect([malformed, answer.status]).toEqual([undefined, 401])
      expect(started.written).toEqual([])
      return
    }
    expect(answer.status).toBe(malformed)
    if (malformed === 400) expectText(answer.body, { field, hasNoBody: false })
    expect(started.last.intakeError?.reason).toBe('invalid_json')
  })

  it('has a request that is refused under another media type', async () => {
    const block = blocksOf(name)
    const started = await startAsIn(block)
    const other = block('sh').replace(/content-type: [^']*/, 'content-type: image/png')
    expect(other).not.toBe(block('sh'))
    const { status, body } = await answerTo(other, started)
    expect([status, body]).toEqual([415, expect.stringMatching(/^\{"error":"Send [\w/+*.-]+"\}$/)])
    expect(started.written).toEqual([])
  })
})

it.each(PAGED.filter((name) => promisesOf(name).elsewhere !== undefined))(
  'the page on %s says what another address gets',
  async (name) => {
    const address = `SOURCE_${name.toUpperCase().replaceAll('-', '_')}_CIDRS=127.0.0.1\n`
    const block = blocksOf(name)
    const started = await startAsIn((language) => block(language) + (language === 'env' ? address : ''))
    const headers = { 'content-type': 'application/json' }
    const call = { path: `/webhooks/${name}`, body: '{}', from: '203.0.113.9', headers }
    expect((await started.call(call)).status).toBe(promisesOf(name).elsewhere)
    expect((await answerTo(block('sh'), started)).status).toBe(200)
  },
)

it.each([
  ['README.md', ['cxone']],
  ['docs/sources/README.md', ['cxone', 'cxone-dataaction', 'nice', 'cognigy']],
])('the requests on %s are accepted', async (page, sources) => {
  const secret = 'a-secret-of-your-own-choice'
  ingress = new TestIngress({
    SOURCE_CXONE_SECRETS: secret,
    SOURCE_CXONE_DATAACTION_SECRETS: secret,
    SOURCE_NICE_SECRETS: secret,
    SOURCE_COGNIGY_CIDRS: '127.0.0.1',
  })
  await ingress.listen()
  expect(await linesOf(scriptIn(page), ingress)).toHaveLength(sources.length)
  const written = ingress.written.map(decodeReceivedWebhook)
  expect(written.map(({ source }) => source)).toEqual(sources)
  expect(written.filter(({ intakeError }) => intakeError !== undefined)).toEqual([])
  for (const webhook of written) noteSender(page, webhook)
})

it('no page sends an event of another page', () => {
  expect([...senders.values()].filter((pages) => pages.length > 1)).toEqual([])
  expect(senders.size).toBeGreaterThan(20)
})
