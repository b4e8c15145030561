// The name of the text in the shared document; the guest, which is no JavaScript, uses it too.
export const TEXT = 'codemirror'
