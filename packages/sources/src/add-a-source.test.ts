import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { PRESETS } from './presets/index.ts'

const ROOT = join(import.meta.dirname, '../../..')
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
const GUIDE = read('docs/guides/add-a-source.md')
const EXAMPLE = 'genesys-open-messaging'

/** Tests, guides and reports may name a preset as an example. */
const PRODUCT =
  /^(?!.*(?:node_modules|\.test\.ts$|docs\/(?:guides|decisions|reports)\/)).*\.(?:ts|md|ya?ml|json)$/

const filesBelow = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.name === 'node_modules') return []
    return entry.isDirectory() ? filesBelow(path) : [path]
  })

it('the example preset is named in the four files of the guide and nowhere else', () => {
  const [steps = ''] = GUIDE.split('Only if the provider needs it')
  const listed = [...steps.matchAll(/^\d\. `([^`]+)`/gm)].map(([, path = '']) =>
    path.replace('<folder>', 'contact-centre').replaceAll('<name>', EXAMPLE),
  )
  expect(listed).toHaveLength(4)
  const files = ['packages', 'services', 'cli/src', 'docs'].flatMap(filesBelow)
  const naming = files.filter((path) => PRODUCT.test(path) && read(path).includes(EXAMPLE))
  expect(naming.sort()).toEqual(listed.sort())
})

it.each(Object.keys(PRESETS).filter((name) => name !== 'custom'))(
  'the preset %s has a page, and a row in the table of presets',
  (name) => {
    expect(existsSync(join(ROOT, `docs/sources/${name}.md`))).toBe(true)
    expect(read('docs/sources/README.md')).toContain(`| [\`${name}\`](${name}.md)`)
  },
)
