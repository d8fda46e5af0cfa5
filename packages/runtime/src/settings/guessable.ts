/**
 * Least length of a secret that another system gives out. That system decides the length, but a shorter one is unsafe.
 */
const LENGTH_MIN = { us: 16, them: 8 } as const

const wordsOf = (...lines: readonly string[]): string => lines.join(' ').split(' ').join('|')

/** Words that example secrets begin with. */
const KNOWN = wordsOf(
  'weir weirdev dev demo tests? testing example sample default dummy none null todo',
  'password passwd passphrase pass pwd secrets? tokens? keys? apikey api changeme change letmein welcome qwerty qwertyuiop abc abcdef',
  'admin administrator root user guest owner superuser service client',
  'postgres postgresql pgsql database db kafka broker registry schemaregistry influx influxdb datadog grafana cxone cognigy nice',
  'ingress dedup normalizer persistence console replay webhooks?',
)
/** Separators between such words. */
const FILLERS = wordsOf(
  'a an me my your our the this is some super very strong real new old in it to for do not use with here now please value string',
  'prod production staging local private public internal',
)
/** A text of such words only, such as `my-secret-token-1`; `-` stands for every character that is not a letter. */
const WELL_KNOWN = new RegExp(`^(?:${FILLERS}|-)*(?:${KNOWN})(?:${FILLERS}|${KNOWN}|-)*$`)

/** A placeholder of an example. */
const PLACEHOLDER =
  /changeme|changethis|changeit|replaceme|replacethis|replacewith|placeholder|yoursecret|yourtoken|yourpassword|yourkey|insertyour|notasecret|mysecret|mypassword|randombytes/
/** A template that was not filled in: `${TOKEN}`, `$(openssl ...)`, `{{ token }}`, `<token>`. */
const TEMPLATE = /^(?:\$\{.*\}|\$\(.*\)|\{\{.*\}\}|<.*>)$/s

/** Digits that stand for letters. */
const LOOKALIKES: Readonly<Record<string, string>> = {
  '@': 'a',
  4: 'a',
  3: 'e',
  1: 'i',
  0: 'o',
  $: 's',
  5: 's',
  7: 't',
}

/** The text as it is, and with digits read as letters except for a number at its end. */
const readings = (text: string): readonly string[] => {
  const lower = text.toLowerCase()
  const core = lower.replace(/^[^a-z]+|[^a-z]+$/g, '').replaceAll(/[@43105$7]/g, (one) => LOOKALIKES[one]!)
  return [lower, core].map((one) => one.replaceAll(/[^a-z]+/g, '-'))
}

/** Sequences in the order of keyboards and alphabets. */
const ROWS = [
  '01234567890',
  'abcdefghijklmnopqrstuvwxyz',
  'qwertyuiopasdfghjklzxcvbnm',
  '1q2w3e4r5t6y7u8i9o0p',
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm',
]

const ROW_LENGTH_MIN = 4

/** `12345678`, `abcdefgh12345678`, `1q2w3e4r`: almost every character follows the previous one in a sequence. */
const isRow = (text: string): boolean => {
  const lower = text.toLowerCase()
  if (lower.length < ROW_LENGTH_MIN) return false
  let jumps = 0
  for (let at = 1; at < lower.length; at += 1) {
    const pair = lower.slice(at - 1, at + 1)
    if (!ROWS.some((row) => row.includes(pair))) jumps += 1
  }
  return jumps <= lower.length / 8
}

/** A short text that is repeated. */
const isRepeated = (text: string): boolean => {
  for (let unit = 1; unit < LENGTH_MIN.us && unit <= text.length / 2; unit += 1) {
    if (text.slice(unit) === text.slice(0, -unit)) return true
  }
  return false
}

const isKnown = (text: string, user = ''): boolean =>
  readings(text).some((words) => WELL_KNOWN.test(words) || PLACEHOLDER.test(words.replaceAll('-', ''))) ||
  TEMPLATE.test(text) ||
  isRow(text) ||
  (user !== '' && text.toLowerCase() === user.toLowerCase())

/** Says why a secret can be guessed, without quoting it; undefined when no rule finds it guessable. */
export const guessable = (secret: string, chosenBy: 'us' | 'them', user?: string): string | undefined => {
  const text = secret.trim()
  // A key in hexadecimal digits may have few distinct letters.
  if (text.length < 3 * LENGTH_MIN.us && isKnown(text, user)) return 'is a well-known default'
  if (text.length < LENGTH_MIN[chosenBy]) return `has fewer than ${LENGTH_MIN[chosenBy]} characters`
  return isRepeated(text) ? 'repeats a few characters' : undefined
}
