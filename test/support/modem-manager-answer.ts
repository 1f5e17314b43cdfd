import { gunzipSync } from 'node:zlib'

/**
 * The whole D-Bus message in which ModemManager 1.20.4 answered `GetManagedObjects`, with one modem that spoke AT commands
 * as an EC25 does: enabled, registered for LTE with Field Mobile, `+CSQ: 21,99`.
 */
export const modemManagerAnswer = (): Buffer => gunzipSync(Buffer.from(TEXT.join(''), 'base64'))

const TEXT = [
  'H4sIAAAAAAACA5VW724bRRCfS9I2Sv/Q0iKQ4EMlEEoQjR3nT50CEqmbQKQ6SeOEb3zYuxtfVtm7ve7uOQ1R34FH4xF4CB4AZnd9',
  '3jNGuPfBkmdmZ2Znf/ObEQtR1LsH8A0A/AAAtyMNtwDgxcb6xhYALEcZ3Gc3kt1odqNH79+/B/vdiipYAIA7kYYlb0/y7+45/dcA',
  '0JIqaw0VYor60siy1Zcp5n1WsAzVhvvXagPc9fGlytYD8/WGufu3PuB5KRDq79s5z72WCTNcFnTmLwCgNHusZDEX3HDUEFUQAcCn',
  'ADCoylIqg+me1lwbViT4ihlGJvV3BwD2CxYLTK088vKP6DzPCiZ0HTKKJ+eWAaBW3GI31cgVdMXFFQNUI1QQaWh+nwBAMx1nqWGB',
  'hbYPAOCnUp/iUKG+OGUGG2l/QJ3pDgB/+nP0xqG3+/Rfa352QXGkSJth4GOqj1JS0aHAKA789dKcUQ20r8FYvj9K5bR8ke6l82mx',
  'tT/PjZ5l/9rgTPsjtZ1NKzpz1sX+bmZluX6udQrwqz9PPTMwkwKN8fCY4qG5kurySBo+5GNMTD3wg4ndKb6tUJumybN580OtWcaL',
  'DADOPN6cDAkqcuzvUYjzgZHKG1RBPq9wyCphvLb5wF/Olw/8sTR5jwHPIZIAX/0/NwwO+8QMLv8BzwdCmkb+lN+J4jlT117dzI/6',
  '8yUy5TpENvqovneDANzdlzw30Lv1KqWwMNM0YfXUr332bhzCxqY3f+jke4nhIwy0Yzx8Hur7lTC8FPgO04Yjn0OfFdWQJaZSjhHo',
  'Tm8qTAwKizcqmfAwsX3T62yHPHOKI6492Fa8fv9g77S9A/DE8p9SHFVPFkOeVWomML/4D7vQd/jR/X9mKr1iCmfZPLS4GvEED1Ms',
  'qCHc3VYBYKudsnbcHqZxJx5uJzvdbdxMN+Ld3U3sdtu4u9vudrqdbpf83K79OO/ER60RV6ZiomWofSY4eKV4zZT3vMybWj8nosq4',
  'z5J0GRaoeGLP353g7EQq15SEPRZro1hiXhCS2q7/yYCIaFVXa3T2M5htu+jxtf+24mWOhWmWws6Q7s7z3Z1Oe2ujs7m1vfPc+jkv',
  'hEwsPXDlx06Nq/uB3ihCKg2Xqia4gJ/4GB81D5D8gHGB6SkyTQ9WhTy+lySo9RkmF4UUMhu3AcCPLq6bFW8qJri5hqXVKl6Dns+N',
  'cHd8VRxVedwYViu2XleoAtJc9PWq+5MAbgta2YIue/24P3x/OqslZ/Qg4Ifaz0tWpL7Bl/59PtBO9I/D84flAcu5GF+c7rU2Jx//',
  'IgmiAFvBO/SYEE1WcnXcz1FlWCTXx4W4bmwNYPtjnnhnPLfb0dNgH/FzhVS/yaI5E5996Nz7p4d/j1ydDnPkBNhZeH1k+SfjhHzi',
  'i+nZSPU/LlExI1VPpjjNI6H+iOVWT7IDjiJ92pcxd1vgk8kedsASYunr1zK5rInUzblYJ4qX03nUe0qpz5Eu6ALysAEIkyeJhDts',
  'tYrZ9VrIY4cFN5yJ/VI79qbhRndr+d6f1g/QGF5kjV2F4p+w5BIN7XM8wSDBBe+H9pVGLWf4mXcPPuAqJ24eY8rySpkyg7XX5dXK',
  '+l0L3+P7D96PTpQccoFeP94ZVmxdUnxnH9K9OslKZ/2Mp/A3EArtL5MMAAA=',
]
