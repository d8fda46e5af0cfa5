import { expect, it } from 'vitest'
import { databaseAccess, isLoopback } from './connection-url.ts'

it.each([
  ['localhost', true],
  ['LOCALHOST', true],
  ['db.localhost', true],
  ['127.0.0.1', true],
  ['127.8.0.1', true],
  ['::1', true],
  ['[::1]', true],
  ['::ffff:127.0.0.1', true],
  ['/var/run/postgresql', true],
  ['', true],
  ['localhost.example.com', false],
  ['127.0.0.1.example.com', false],
  ['10.0.0.1', false],
  ['0.0.0.0', false],
  ['database', false],
])('%s stays on this machine: %s', (host, isSo) => {
  expect(isLoopback(host)).toBe(isSo)
})

it.each([
  ['postgres://u:p@h/d', { host: 'h', user: 'u', password: 'p', tls: 'none' }],
  ['postgres://u:p%40@[::1]:5/d', { host: '[::1]', password: 'p@' }],
  [
    'postgres://localhost/d?host=db.example&user=a&password=b',
    { host: 'db.example', user: 'a', password: 'b' },
  ],
  ['postgres://h/d?sslmode=verify-full', { tls: 'checked' }],
  ['postgres://h/d?sslmode=require', { tls: 'checked' }],
  ['postgres://h/d?sslmode=require&uselibpqcompat=true', { tls: 'unchecked' }],
  ['postgres://h/d?sslmode=require&uselibpqcompat=true&sslrootcert=/ca', { tls: 'checked' }],
  ['postgres://h/d?sslmode=no-verify', { tls: 'unchecked' }],
  ['postgres://h/d?sslmode=disable&ssl=true', { tls: 'none' }],
  ['postgres://h/d?ssl=true', { tls: 'checked' }],
  ['postgres://h/d?ssl=no-verify', { tls: 'unchecked' }],
  ['postgres://h/d?ssl=0', { tls: 'none' }],
  ['postgres://h/d?sslrootcert=/ca', { tls: 'checked' }],
  // As `pg` has it, a parameter without a value is none.
  ['postgres://db.example/d?host=', { host: 'db.example' }],
  ['postgres://h/d?host=a&host=', { host: 'h' }],
  ['postgres://u:p@h/d?user=&password=', { user: 'u', password: 'p' }],
  ['postgres://h/d?sslrootcert=', { tls: 'none' }],
  ['postgres://h/d?sslcert=&sslkey=', { tls: 'none' }],
  ['postgres://h/d?sslmode=&ssl=true', { tls: 'checked' }],
])('%s', (url, found) => {
  expect(databaseAccess(url)).toMatchObject(found)
})
