/** Whoever gives out a secret of another system decides how long it is; less than this, nobody should. */
const LENGTH_MIN = { us: 16, them: 8 } as const

/** What programs, guides and people begin with, in letters alone. */
const WELL_KNOWN = new Set(
  [
    'weir weirdev dev demo test testing example sample default dummy none null todo',
    'password passwd passphrase pass pwd secret token key apikey changeme change letmein welcome qwerty qwertyuiop abc abcdef',
    'admin administrator root user guest owner superuser service client',
    'postgres postgresql pgsql database db kafka broker registry schemaregistry influx influxdb datadog grafana cxone cognigy nice',
  ].flatMap((line) => line.split(' ')),
)

/** Left in from an example. */
const PLACEHOLDER =
  /changeme|changethis|replaceme|replacethis|placeholder|yoursecret|yourtoken|yourpassword|yourkey|insertyour|notasecret|mysecret|mypassword/

/** Digits of a keyboard's row: `12345678`, `0123456789`. */
const isRow = (text: string): boolean => /^\d+$/.test(text) && '01234567890123456789'.includes(text)

/** A short text again and again. */
const isRepeated = (text: string): boolean => {
  for (let unit = 1; unit < LENGTH_MIN.us && unit <= text.length / 2; unit += 1) {
    if (text.slice(unit) === text.slice(0, -unit)) return true
  }
  return false
}

/** Why a secret can be guessed, without quoting it; undefined: it cannot, as far as that can be told. */
export const guessable = (secret: string, chosenBy: 'us' | 'them', user?: string): string | undefined => {
  const text = secret.trim()
  const letters = text.toLowerCase().replaceAll(/[^a-z]/g, '')
  const isKnown =
    WELL_KNOWN.has(letters) ||
    PLACEHOLDER.test(letters) ||
    isRow(text) ||
    (user !== undefined && user !== '' && text.toLowerCase() === user.toLowerCase())
  // A key in hexadecimal digits may have few letters.
  if (isKnown && text.length < 3 * LENGTH_MIN.us) return 'is a well-known default'
  if (text.length < LENGTH_MIN[chosenBy]) return `has fewer than ${LENGTH_MIN[chosenBy]} characters`
  return isRepeated(text) ? 'repeats a few characters' : undefined
}
