package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
)

// server is a running authorization server that others wrote, behind a program that reads and writes lines of JSON.
type server struct {
	issuer, tokenURL string

	process *exec.Cmd
	stderr  bytes.Buffer
	mu      sync.Mutex // one command at a time
	in      io.WriteCloser
	out     *bufio.Scanner
}

type jwks struct {
	Keys []map[string]string `json:"keys"`
}

// configuration is the first line that a server's program reads.
type configuration struct {
	Cert      string           `json:"cert"`
	Key       string           `json:"key"`
	CookieKey string           `json:"cookieKey"`
	JWKS      jwks             `json:"jwks"` // private: what the server signs its own tokens with
	Clients   []map[string]any `json:"clients"`
}

// answer is what a server's program says to a command.
type answer struct {
	Issuer       string   `json:"issuer"`
	TokenURL     string   `json:"token_url"`
	Error        string   `json:"error"`
	Requests     int      `json:"requests"` // to the token endpoint, since the start
	RefreshToken string   `json:"refresh_token"`
	Client       string   `json:"client"`
	Account      string   `json:"account"`
	Scope        string   `json:"scope"`
	Audience     []string `json:"audience"`
}

func startServer(process *exec.Cmd, c configuration) (*server, error) {
	s := &server{process: process}
	s.process.Stderr = &s.stderr
	stdout, err := s.process.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("server's output: %w", err)
	}
	if s.in, err = s.process.StdinPipe(); err != nil {
		return nil, fmt.Errorf("server's input: %w", err)
	}
	s.out = bufio.NewScanner(stdout)
	if err := s.process.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	first, err := s.exchange(c)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.issuer, s.tokenURL = first.Issuer, first.TokenURL
	return s, nil
}

// exchange writes one line and reads one.
func (s *server) exchange(line any) (answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, err := json.Marshal(line)
	if err != nil {
		return answer{}, fmt.Errorf("a line for the server: %w", err)
	}
	if _, err := s.in.Write(append(text, '\n')); err != nil {
		return answer{}, fmt.Errorf("write to the server: %w\n%s", err, s.stderr.String())
	}
	if !s.out.Scan() {
		return answer{}, fmt.Errorf("the server ended\n%s", s.stderr.String())
	}
	var a answer
	if err := json.Unmarshal(s.out.Bytes(), &a); err != nil {
		return answer{}, fmt.Errorf("the server's answer: %w", err)
	}
	if a.Error != "" {
		return answer{}, errors.New("the server says " + a.Error)
	}
	return a, nil
}

func (s *server) setClient(metadata map[string]any) error {
	_, err := s.exchange(map[string]any{"command": "client", "metadata": metadata})
	return err
}

// setIssuer makes the server trust an issuer's JSON Web Key set.
func (s *server) setIssuer(name string, keys any) error {
	_, err := s.exchange(map[string]any{"command": "issuer", "name": name, "jwks": keys})
	return err
}

// login stands for a user who logs in and agrees. It returns the first refresh token.
func (s *server) login(client, account, scope string) (string, error) {
	a, err := s.exchange(map[string]any{"command": "login", "client": client, "account": account, "scope": scope})
	return a.RefreshToken, err
}

// find asks whether the server honours an access token; if not, Client is empty.
func (s *server) find(token string) (answer, error) {
	return s.exchange(map[string]any{"command": "find", "token": token})
}

// lose has the connection break after the next token request was served.
func (s *server) lose() error {
	_, err := s.exchange(map[string]any{"command": "lose"})
	return err
}

// requests is how many token requests there were.
func (s *server) requests() (int, error) {
	a, err := s.find("")
	return a.Requests, err
}

func (s *server) close() error {
	if err := s.in.Close(); err != nil {
		return fmt.Errorf("close the server's input: %w", err)
	}
	if err := s.process.Wait(); err != nil {
		return fmt.Errorf("the server: %w\n%s", err, s.stderr.String())
	}
	return nil
}
