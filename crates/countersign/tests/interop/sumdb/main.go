// Command sumdb-log reads an audit log with the code that Go checks its checksum database with: golang.org/x/mod/sumdb.
// It shares no line with the program that it checks.
//
//	sumdb-log fetch URL FOLDER           everything that a checkpoint speaks of; the token is in TOKEN
//	sumdb-log check FOLDER KEY PROOF     the key is a signed note's verifier key, the proof a C2SP tlog-proof
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Every tile has 256 hashes. C2SP tlog-tiles "Merkle Tree"
const height = 8

const width = 1 << height

func main() {
	err := errors.New("usage: sumdb-log fetch URL FOLDER | check FOLDER KEY PROOF")
	switch {
	case len(os.Args) == 4 && os.Args[1] == "fetch":
		err = fetch(os.Args[2], os.Args[3])
	case len(os.Args) == 5 && os.Args[1] == "check":
		err = check(folder(os.Args[2]), os.Args[3], os.Args[4])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// fetch writes the files of a log below a folder, by the names that they have on the server.
func fetch(url, folder string) error {
	keep := func(name string) ([]byte, error) {
		body, err := get(url + "/tlog/" + name)
		if err != nil {
			return nil, err
		}
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return nil, err
		}
		return body, os.WriteFile(file, body, 0o644)
	}
	checkpoint, err := keep("checkpoint")
	if err != nil {
		return err
	}
	tree, err := parseTree(string(checkpoint))
	if err != nil {
		return err
	}
	names := []string{}
	for _, tile := range tlog.NewTiles(height, 0, tree.N) {
		names = append(names, tileName(tile))
	}
	for first := int64(0); first < tree.N; first += width {
		names = append(names, bundleName(first, tree.N))
	}
	for _, name := range names {
		if _, err := keep(name); err != nil {
			return err
		}
	}
	fmt.Println("fetched", tree.N, "entries")
	return nil
}

func get(url string) ([]byte, error) {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("TOKEN"))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, answer.Status, body)
	}
	return body, err
}

// check believes nothing in the folder but what the key signed.
func check(folder folder, key, proof string) error {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return err
	}
	text, err := folder.read("checkpoint")
	if err != nil {
		return err
	}
	tree, err := openTree(text, verifier)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	stored, err := readEntries(folder, tree)
	if err != nil {
		return fmt.Errorf("entries: %w", err)
	}
	fmt.Println("entries: all", tree.N, "lead to the root")
	if err := checkTiles(folder, tree, stored); err != nil {
		return fmt.Errorf("tiles: %w", err)
	}
	fmt.Println("tiles: all are what the entries hash to")
	proved, err := os.ReadFile(proof)
	if err != nil {
		return err
	}
	return checkProof(string(proved), verifier)
}

// readEntries hashes every entry; the hashes of the whole tree, which lead to the root that was signed.
func readEntries(folder folder, tree tlog.Tree) (storedHashes, error) {
	var stored storedHashes
	at := int64(0)
	for first := int64(0); first < tree.N; first += width {
		bundle, err := folder.read(bundleName(first, tree.N))
		if err != nil {
			return nil, err
		}
		// tlog-tiles "Log Entries": each after its length in two bytes.
		for len(bundle) > 0 {
			if len(bundle) < 2 || at == tree.N {
				return nil, fmt.Errorf("a bundle does not end after entry %d", at)
			}
			length := 2 + int(binary.BigEndian.Uint16(bundle))
			if len(bundle) < length {
				return nil, fmt.Errorf("a bundle ends within entry %d", at)
			}
			hashes, err := tlog.StoredHashes(at, bundle[2:length], stored)
			if err != nil {
				return nil, err
			}
			stored = append(stored, hashes...)
			bundle = bundle[length:]
			at++
		}
	}
	if at != tree.N {
		return nil, fmt.Errorf("there are %d of %d", at, tree.N)
	}
	root, err := tlog.TreeHash(tree.N, stored)
	if err == nil && root != tree.Hash {
		err = errors.New("they do not lead to the root that was signed")
	}
	return stored, err
}

// checkTiles reads the tiles as Go's own client does, and then each whole: that client (v0.37) does not look at the full tiles of a small
// tree.
func checkTiles(folder folder, tree tlog.Tree, stored storedHashes) error {
	indexes := make([]int64, tree.N)
	for n := range indexes {
		indexes[n] = tlog.StoredHashIndex(0, int64(n))
	}
	if _, err := tlog.TileHashReader(tree, folder).ReadHashes(indexes); err != nil {
		return err
	}
	for _, tile := range tlog.NewTiles(height, 0, tree.N) {
		wanted, err := tlog.ReadTileData(tile, stored)
		if err != nil {
			return err
		}
		found, err := folder.read(tileName(tile))
		if err != nil {
			return err
		}
		if !bytes.Equal(found, wanted) {
			return fmt.Errorf("%s is not what the entries hash to", tileName(tile))
		}
	}
	return nil
}

// storedHashes are all hashes of a tree, in the order in which sumdb stores them.
type storedHashes []tlog.Hash

func (s storedHashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for n, index := range indexes {
		if index >= int64(len(s)) {
			return nil, fmt.Errorf("there is no hash %d", index)
		}
		hashes[n] = s[index]
	}
	return hashes, nil
}

// checkProof reads a C2SP tlog-proof with the entry as its extra data.
func checkProof(text string, verifier note.Verifier) error {
	head, checkpoint, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	if len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("proof: not a tlog-proof")
	}
	entry, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil {
		return fmt.Errorf("proof: %w", err)
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		return fmt.Errorf("proof: %w", err)
	}
	var hashes tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return fmt.Errorf("proof: %w", err)
		}
		hashes = append(hashes, hash)
	}
	tree, err := openTree([]byte(checkpoint), verifier)
	if err != nil {
		return fmt.Errorf("proof: %w", err)
	}
	if err := tlog.CheckRecord(hashes, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
		return fmt.Errorf("proof: %w", err)
	}
	fmt.Println("proof: entry", index, "is among", tree.N)
	return nil
}

func openTree(text []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	return parseTree(opened.Text)
}

// parseTree reads a C2SP tlog-checkpoint: a name, a size and a root, each in a line.
func parseTree(text string) (tlog.Tree, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 3 {
		return tlog.Tree{}, errors.New("not a checkpoint")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// tileName is sumdb's name of a tile without the height, which C2SP's logs all have the same.
func tileName(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
}

// bundleName is that of the entries of a tile of level 0, which sumdb calls data.
func bundleName(first, size int64) string {
	tile := tlog.Tile{H: height, L: -1, N: first / width, W: int(min(width, size-first))}
	return strings.Replace(tileName(tile), "tile/data/", "tile/entries/", 1)
}

// folder gives tiles out as they lie there; whether they are right is found out by who asks for them.
type folder string

func (f folder) Height() int { return height }

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for n, tile := range tiles {
		hashes, err := f.read(tileName(tile))
		if err != nil {
			return nil, err
		}
		data[n] = hashes
	}
	return data, nil
}

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(f), name))
}
